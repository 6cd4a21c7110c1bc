import { letPassMs } from "./alarms.ts";
import { deletePath, putManifest } from "./requests.ts";
import { type Operation, sharedLayer, testRows } from "./rows.ts";
import { imageOf, indexOf, type Manifest, pushBlobs, repositories, type World } from "./world.ts";

const { app } = repositories;
const image = imageOf("image", sharedLayer);
const referrer = imageOf("referrer", sharedLayer, image);
const other = imageOf("other", sharedLayer);

/** Puts a manifest, and has everybody told. */
function put(
  manifest: Manifest,
  reference: string,
  before: (world: World) => Promise<void> = () => pushBlobs(app, manifest),
): Operation["prepare"] {
  return async (world) => {
    await before(world);
    return async (client) => {
      // Moved, or still where it was: what is not known is not expected.
      world.forgets(app, reference);
      await putManifest(client, app, reference, manifest);
      world.keeps(app, reference, manifest);
      await letPassMs(0);
    };
  };
}

/** Deletes what is under a path, and has everybody told. */
function removal(
  path: string,
  before: (world: World) => Promise<void>,
  references: readonly string[] = [],
): Operation["prepare"] {
  return async (world) => {
    await before(world);
    await letPassMs(0);
    return async (client) => {
      for (const reference of references) world.forgets(app, reference);
      await deletePath(client, `/v2/${app}/${path}`);
      world.lost(`/v2/${app}/${path}`);
      await letPassMs(0);
    };
  };
}

async function pushImage(world: World): Promise<void> {
  await world.push(app, "v1", image);
}

await testRows([
  { name: "PUT of an image with a new tag", prepare: put(image, "v1") },
  {
    name: "PUT of an image that moves a tag",
    prepare: put(other, "v1", async (world) => {
      await world.push(app, "v1", image);
      await pushBlobs(app, other);
    }),
  },
  {
    name: "PUT of an index",
    prepare: put(indexOf([image]), "all", pushImage),
  },
  {
    name: "PUT of a referrer",
    prepare: put(referrer, referrer.digest, async (world) => {
      await pushImage(world);
      await pushBlobs(app, referrer);
    }),
  },
  { name: "DELETE of a tag", prepare: removal("manifests/v1", pushImage, ["v1"]) },
  {
    name: "DELETE of a manifest",
    prepare: removal(`manifests/${image.digest}`, pushImage, ["v1"]),
  },
  {
    name: "DELETE of a blob that others hold",
    prepare: removal(`blobs/${sharedLayer.digest}`, () => pushBlobs(app, other)),
  },
  {
    name: "DELETE of a blob that nobody else holds",
    prepare: removal(`blobs/${other.blobs[0]?.digest}`, () => pushBlobs(app, other)),
  },
]);
