import { expect } from "vitest";
import { send, stream } from "../client.ts";

/** A blob that is pushed in one of the ways below. */
export interface BlobPush {
  readonly repository: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly digest: string;
  /** What the POST that begins a session has in its query (end-4c). */
  readonly query: string;
  readonly chunkBytes: number;
}

export type UploadWay = (push: BlobPush) => Promise<Response>;

const octets = { "Content-Type": "application/octet-stream" };

/** Begins a session (end-4a, end-4c). */
export async function begin({ repository, query }: BlobPush): Promise<string> {
  const answer = await send("POST", `/v2/${repository}/blobs/uploads/${query}`);
  expect(answer.status).toBe(202);
  return nextLocation(answer);
}

/** Where the session that an answer is about goes on. */
function nextLocation(answer: Response): string {
  const location = answer.headers.get("Location");
  expect(location).toMatch(/^\/v2\/.+\/blobs\/uploads\/.+$/);
  return location ?? "";
}

function close(location: string, digest: string, body: BodyInit | null = null): Promise<Response> {
  return send("PUT", `${location}?digest=${digest}`, { body, headers: octets });
}

/** Sends the bytes of a blob from `first` to before `end`; by PUT it closes the session. */
export function sendChunk(
  method: "PATCH" | "PUT",
  location: string,
  { bytes, digest }: BlobPush,
  [first, end]: readonly [number, number],
): Promise<Response> {
  return send(method, method === "PUT" ? `${location}?digest=${digest}` : location, {
    body: bytes.slice(first, end),
    headers: { ...octets, "Content-Range": `${first}-${end - 1}` },
  });
}

/** The last byte that a session has by its Range, asked as after a 416 (end-13); -1 for none. */
export async function lastByte(location: string): Promise<{ last: number; next: string }> {
  const answer = await send("GET", location);
  expect(answer.status).toBe(204);
  const last = /^0-(-1|\d+)$/.exec(answer.headers.get("Range") ?? "")?.[1];
  return { last: Number(last), next: nextLocation(answer) };
}

/**
 * Sends a chunk that is not the next one (that after it, or where there is none, the first), which
 * has to be refused, and asks where the session stands.
 */
async function sendOutOfOrder(
  push: BlobPush,
  location: string,
  at: number,
  lastInPut: boolean,
): Promise<string> {
  const { length } = push.bytes;
  const first = at + push.chunkBytes < length ? at + push.chunkBytes : 0;
  const end = Math.min(first + push.chunkBytes, length);
  const method = lastInPut && end === length ? "PUT" : "PATCH";
  const refused = await sendChunk(method, location, push, [first, end]);
  expect([method, refused.status]).toEqual([method, 416]);
  const { last, next } = await lastByte(nextLocation(refused));
  expect(last).toBe(at - 1);
  return next;
}

/** Pushes in chunks (end-5), the last of them by PATCH or in the closing PUT (end-6). */
async function pushInChunks(
  push: BlobPush,
  { lastInPut = false, outOfOrder = false } = {},
): Promise<Response> {
  let location = await begin(push);
  const { length } = push.bytes;
  /* oxlint-disable no-await-in-loop */
  for (let at = 0; at < length; at += push.chunkBytes) {
    if (outOfOrder) location = await sendOutOfOrder(push, location, at, lastInPut);
    const end = Math.min(at + push.chunkBytes, length);
    if (lastInPut && end === length) return sendChunk("PUT", location, push, [at, end]);
    const answer = await sendChunk("PATCH", location, push, [at, end]);
    expect([answer.status, answer.headers.get("Range")]).toEqual([202, `0-${end - 1}`]);
    location = nextLocation(answer);
  }
  /* oxlint-enable no-await-in-loop */
  return close(location, push.digest);
}

/** The ways to push a blob of any size; each answers with what closed the session. */
export const wholeWays: Readonly<Record<string, UploadWay>> = {
  "end-4b, POST with the blob": ({ repository, bytes, digest }) =>
    send("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, {
      body: bytes,
      headers: octets,
    }),
  "end-4a and end-6, POST and PUT with the blob": async (push) =>
    close(await begin(push), push.digest, push.bytes),
  "end-5 and end-6, PATCH of a stream and PUT": async (push) => {
    const patch = { body: stream(push.bytes, 500), headers: octets };
    const answer = await send("PATCH", await begin(push), patch);
    expect(answer.status).toBe(202);
    return close(nextLocation(answer), push.digest);
  },
};

/** The ways to push a blob of at least three bytes in chunks. */
export const chunkedWays: Readonly<Record<string, UploadWay>> = {
  "end-5 and end-6, PATCH of one chunk and PUT": (push) =>
    pushInChunks({ ...push, chunkBytes: push.bytes.length }),
  "end-5 and end-6, PATCH of each chunk and PUT": (push) => pushInChunks(push),
  "end-5 and end-6, PATCH of each chunk but the last, which PUT has": (push) =>
    pushInChunks(push, { lastInPut: true }),
  "end-5, end-13 and end-6, each chunk after one out of order, and PUT": (push) =>
    pushInChunks(push, { outOfOrder: true }),
  "end-5, end-13 and end-6, each chunk after one out of order, the last in PUT": (push) =>
    pushInChunks(push, { lastInPut: true, outOfOrder: true }),
};
