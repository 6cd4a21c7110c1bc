/** What an answered DELETE promises to readers, where it was made and elsewhere. */
import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  digestOf,
  newRepository,
  ociManifest,
  pushBlob,
  pushManifest,
  randomBytes,
} from "../client.ts";
import { Place } from "../doubles/places.ts";
import { advance, secondMs } from "../durable-objects/clock.ts";
import { pushOneLayer } from "./blobs.ts";
import { collect } from "./collecting.ts";
import { pass, settle, takeTime } from "./time.ts";

beforeAll(takeTime);

const strong = { REGISTRY_READS: "strong" };
const reads = ["GET", "HEAD"] as const;

/** An image that was read here and elsewhere, so that whatever remembers reads has it. */
interface Read {
  readonly here: Place;
  readonly elsewhere: Place;
  readonly byTag: string;
  readonly byDigest: string;
  readonly layer: string;
  readonly manifest: string;
  readonly repository: string;
}

let image: Read;

async function readOf(repository: string, paths: readonly string[]): Promise<[Place, Place]> {
  // Until the replicas are there.
  await settle();
  expect((await env.MANIFESTS.list({ prefix: `${repository}@` })).keys.length).toBeGreaterThan(0);
  const places: [Place, Place] = [new Place(), new Place()];
  for (const place of places) {
    for (const path of paths) {
      for (const method of reads) {
        // oxlint-disable-next-line no-await-in-loop
        expect(await place.status(method, path)).toBe(200);
      }
    }
  }
  return places;
}

beforeEach(async () => {
  const repository = newRepository();
  const { manifest, digest, layer } = await pushOneLayer(repository, "latest");
  const path = `/v2/${repository}`;
  const [byTag, byDigest] = [`${path}/manifests/latest`, `${path}/manifests/${digest}`];
  const layerPath = `${path}/blobs/${layer}`;
  const [here, elsewhere] = await readOf(repository, [byTag, byDigest, layerPath]);
  image = { here, elsewhere, byTag, byDigest, layer: layerPath, manifest, repository };
});

async function remove(path: string): Promise<void> {
  expect(await image.here.status("DELETE", path)).toBe(202);
}

async function statuses(place: Place, path: string, variables = {}): Promise<number[]> {
  return [
    await place.status("GET", path, variables),
    await place.status("HEAD", path, variables),
    await place.status("GET", path, variables),
  ];
}

const there = [200, 200, 200];
const gone = [404, 404, 404];

describe("a deleted tag", () => {
  test("is 404 at once, here and elsewhere", async () => {
    await remove(image.byTag);
    expect(await statuses(image.here, image.byTag)).toEqual(gone);
    expect(await statuses(image.elsewhere, image.byTag)).toEqual(gone);
    expect(await statuses(image.elsewhere, image.byTag, strong)).toEqual(gone);
  });

  test("leaves its manifest by digest, everywhere", async () => {
    await remove(image.byTag);
    expect(await statuses(image.here, image.byDigest)).toEqual(there);
    expect(await statuses(image.elsewhere, image.byDigest)).toEqual(there);
  });
});

describe("a deleted manifest", () => {
  beforeEach(() => remove(image.byDigest));

  test("is 404 by its tag at once, here and elsewhere", async () => {
    expect(await statuses(image.here, image.byTag)).toEqual(gone);
    expect(await statuses(image.elsewhere, image.byTag)).toEqual(gone);
  });

  test("is 404 by digest at once where it was deleted, and stays so", async () => {
    for (const seconds of [0, 1, 29, 30, 60, 60]) {
      /* oxlint-disable no-await-in-loop */
      await pass(seconds * secondMs);
      expect(await statuses(image.here, image.byDigest)).toEqual(gone);
      /* oxlint-enable no-await-in-loop */
    }
  });

  test("may be served by digest elsewhere, until the minute of its replicas is over", async () => {
    // What was read a moment ago is what the stand-in has: were it not, nothing would be tried here.
    expect(await statuses(image.elsewhere, image.byDigest)).toEqual(there);
    await pass(61 * secondMs);
    expect(await statuses(image.elsewhere, image.byDigest)).toEqual(gone);
  });

  test("is 404 by digest at once elsewhere where reads are strong", async () => {
    expect(await statuses(image.elsewhere, image.byDigest, strong)).toEqual(gone);
    expect(await statuses(new Place(), image.byDigest, strong)).toEqual(gone);
  });

  test("is not served by who first reads it when KV has forgotten it", async () => {
    await settle();
    expect(await statuses(new Place(), image.byDigest)).toEqual(gone);
  });

  test("is there again, by tag and by digest, once it is pushed again", async () => {
    await pushManifest(image.repository, "latest", image.manifest, ociManifest);
    for (const place of [image.here, image.elsewhere, new Place()]) {
      for (const path of [image.byTag, image.byDigest]) {
        // oxlint-disable-next-line no-await-in-loop
        expect(await statuses(place, path)).toEqual(there);
      }
    }
  });

  test("leaves its layers readable for their grace", async () => {
    await pass(120 * secondMs);
    expect(await statuses(image.here, image.layer)).toEqual(there);
    expect(await statuses(image.elsewhere, image.layer)).toEqual(there);
  });
});

describe("a deleted blob", () => {
  let blob: { path: string; digest: string; here: Place; elsewhere: Place; bytes: Uint8Array };

  beforeEach(async () => {
    const bytes = randomBytes(300);
    const digest = await pushBlob(image.repository, bytes);
    const path = `/v2/${image.repository}/blobs/${digest}`;
    const [here, elsewhere] = await readOf(image.repository, [path]);
    blob = { path, digest, here, elsewhere, bytes };
    expect(await here.status("DELETE", path)).toBe(202);
  });

  test("is 404 at once where it was deleted, and stays so", async () => {
    for (const seconds of [0, 30, 31, 120]) {
      // oxlint-disable-next-line no-await-in-loop
      await pass(seconds * secondMs);
      // oxlint-disable-next-line no-await-in-loop
      expect(await statuses(blob.here, blob.path)).toEqual(gone);
    }
  });

  test("is 404 by HEAD at once elsewhere: a push decides by it", async () => {
    expect(await blob.elsewhere.status("HEAD", blob.path)).toBe(404);
    expect(await new Place().status("HEAD", blob.path)).toBe(404);
  });

  test("may be read elsewhere by who has its link, whole, for a minute", async () => {
    for (const seconds of [0, 2, 57]) {
      /* oxlint-disable no-await-in-loop */
      await pass(seconds * secondMs);
      const got = await blob.elsewhere.send("GET", blob.path);
      expect(digestOf(await got.bytes())).toBe(blob.digest);
      /* oxlint-enable no-await-in-loop */
    }
    await pass(2 * secondMs);
    expect(await statuses(blob.elsewhere, blob.path)).toEqual(gone);
    await pass(180 * secondMs);
    expect(await statuses(blob.elsewhere, blob.path)).toEqual(gone);
  });

  test("is 404 at once elsewhere where reads are strong", async () => {
    expect(await statuses(blob.elsewhere, blob.path, strong)).toEqual(gone);
  });

  test("is there again everywhere once it is pushed again", async () => {
    await pass(200 * secondMs);
    await pushBlob(image.repository, blob.bytes);
    for (const place of [blob.here, blob.elsewhere, new Place()]) {
      // oxlint-disable-next-line no-await-in-loop
      const got = await place.send("GET", blob.path);
      // oxlint-disable-next-line no-await-in-loop
      expect(digestOf(await got.bytes())).toBe(blob.digest);
    }
  });
});

describe("a blob that a collection took", () => {
  test.for([
    { how: "plain", query: "", ms: 25 * 60 * 60 * secondMs },
    { how: "forced", query: "?force=true", ms: 0 },
  ])("is 404 by HEAD at once everywhere ($how)", async ({ query, ms }) => {
    const digest = await pushBlob(image.repository, randomBytes(300));
    const path = `/v2/${image.repository}/blobs/${digest}`;
    const [here, elsewhere] = await readOf(image.repository, [path]);
    advance(ms);
    const places = ms === 0 ? [here, elsewhere] : [new Place(), new Place()];
    await collect(query);
    for (const place of places) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await place.status("HEAD", path)).toBe(404);
      // oxlint-disable-next-line no-await-in-loop
      expect(await place.status("GET", path)).toBe(404);
    }
  });

  test("plain is read to its end by who had begun to", async () => {
    const bytes = randomBytes(300_000);
    const digest = await pushBlob(image.repository, bytes);
    const path = `/v2/${image.repository}/blobs/${digest}`;
    await settle();
    advance(25 * 60 * 60 * secondMs);
    const place = new Place();
    expect(await place.status("GET", path)).toBe(200);
    await collect();
    const got = await place.send("GET", path);
    expect(digestOf(await got.bytes())).toBe(digest);
  });
});
