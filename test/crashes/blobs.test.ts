import { type Operation, sharedLayer, testRows } from "./rows.ts";
import { pushWhole, startSession } from "./requests.ts";
import { blobOf, repositories } from "./world.ts";

const { app, kept } = repositories;
const blob = blobOf("a new blob");

/** A push of all bytes with one PUT, but of other bytes than the digest says. */
function wrongPush(digest: string): Operation["prepare"] {
  return async () => async (client) => {
    const location = await startSession(client, app);
    await client.ask({
      method: "PUT",
      path: `${location}?digest=${digest}`,
      init: () => ({ body: blobOf("other bytes").bytes }),
      wanted: [400],
    });
  };
}

function mount(query: string): Operation["prepare"] {
  return async (world) => async (client) => {
    const path = `/v2/${app}/blobs/uploads/?mount=${sharedLayer.digest}${query}`;
    await client.ask({ method: "POST", path, wanted: [201] });
    world.has(app, sharedLayer);
  };
}

await testRows([
  {
    name: "push of a whole blob that nobody holds",
    prepare: async (world) => async (client) => {
      await pushWhole(client, app, blob);
      world.has(app, blob);
    },
  },
  {
    name: "push of a whole blob that another repository holds",
    prepare: async (world) => async (client) => {
      await pushWhole(client, app, sharedLayer);
      world.has(app, sharedLayer);
    },
  },
  {
    name: "push of a whole blob that the repository has",
    prepare: async (world) => async (client) => {
      await pushWhole(client, kept, sharedLayer);
      world.has(kept, sharedLayer);
    },
  },
  { name: "push of bytes that are others", prepare: wrongPush(blob.digest) },
  { name: "push of bytes that are not those held", prepare: wrongPush(sharedLayer.digest) },
  { name: "mount from a repository", prepare: mount(`&from=${kept}`) },
  { name: "mount from anywhere", prepare: mount("") },
]);
