import { stream } from "../client.ts";
import { cutOff, letPass } from "../doubles/call-seam.ts";
import { hourMs, secondMs } from "../durable-objects/clock.ts";
import { Client } from "./client.ts";
import { letPassMs } from "./alarms.ts";
import { pushChunks, pushStream, sendStream, startSession } from "./requests.ts";
import { type Operation, sharedLayer, testRows } from "./rows.ts";
import { type Blob, blobOf, longBytes, repositories } from "./world.ts";

const { app } = repositories;
const short = blobOf("a short stream");
const long = blobOf("a long stream", longBytes);

function push(
  how: (client: Client, repository: string, blob: Blob) => Promise<void>,
  blob: Blob,
): Operation["prepare"] {
  return async (world) => async (client) => {
    await how(client, app, blob);
    world.has(app, blob);
  };
}

function longBody(): RequestInit {
  return { body: stream(long.bytes, 1024 * 1024) };
}

/** A session that has bytes, and its Location. */
async function begun({ bytes }: Blob): Promise<string> {
  const client = new Client("retries");
  return sendStream(client, await startSession(client, app), bytes);
}

function cancel(blob: Blob): Operation["prepare"] {
  return async () => {
    const location = await begun(blob);
    return async (client) => {
      await client.ask({ method: "DELETE", path: location, wanted: [204, 404] });
    };
  };
}

function expiry(blob: Blob): Operation["prepare"] {
  return async () => {
    await begun(blob);
    return () => letPassMs(2 * hourMs);
  };
}

/** A PUT that was cut off, and whose client does not come back. */
function cutOffCommit(name: string): Operation["prepare"] {
  return async () => {
    const location = await begun(long);
    cutOff({ name, nth: 1 }, "before");
    await new Client("gives up").perform(async (client) => {
      const path = `${location}?digest=${long.digest}`;
      await client.ask({ method: "PUT", path, wanted: [201] });
    });
    if (!letPass()) throw new Error(`${name} was not made`);
    return () => letPassMs(31 * secondMs);
  };
}

await testRows([
  { name: "push of a short stream", prepare: push(pushStream, short) },
  { name: "push of a short stream that is held", prepare: push(pushStream, sharedLayer) },
  { name: "push of a stream of two parts", prepare: push(pushStream, long) },
  { name: "push of chunks", prepare: push(pushChunks, short) },
  {
    name: "a PUT whose digest is wrong",
    prepare: async (world) => async (client) => {
      const location = await sendStream(client, await startSession(client, app), short.bytes);
      const wrong = `${location}?digest=${blobOf("others").digest}`;
      await client.ask({ method: "PUT", path: wrong, wanted: [400] });
      const right = `${location}?digest=${short.digest}`;
      await client.ask({ method: "PUT", path: right, wanted: [201] });
      world.has(app, short);
    },
  },
  {
    name: "a PATCH that is one part and more",
    prepare: async () => {
      const location = await startSession(new Client("retries"), app);
      return async (client) => {
        await client.ask({ method: "PATCH", path: location, init: longBody, wanted: [202] });
      };
    },
  },
  { name: "cancelling a session with a part", prepare: cancel(long) },
  { name: "cancelling a session without parts", prepare: cancel(short) },
  { name: "expiry of a session with a part", prepare: expiry(long), isAlarm: true },
  { name: "expiry of a session without parts", prepare: expiry(short), isAlarm: true },
  {
    name: "a commit that was cut off before R2 completed it",
    prepare: cutOffCommit("UploadSession: R2.complete"),
    isAlarm: true,
  },
  {
    name: "a commit that was cut off before its claim",
    prepare: cutOffCommit("UploadSession: BlobIndex.claim"),
    isAlarm: true,
  },
  {
    name: "a commit that was cut off before its link",
    prepare: cutOffCommit("UploadSession: Repository.linkBlob"),
    isAlarm: true,
  },
]);
