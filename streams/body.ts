/** Reading of request bodies that both the Worker and the Durable Objects need. */
import { RegistryError } from "../schemas/errors.ts";

/** A client that sends nothing for so long does not wait for its answer to be drained for. */
const drainStallMsMax = 5000;

/**
 * Reads and forgets a body that will not be used, so that the client gets to read the answer
 * (containerd up to 1.6 and BuildKit up to 0.12 hang when answered before their body is read). At
 * most `bytesMax` bytes, and until it stalls for 5 to 10 s: what comes then is cut.
 */
export async function drain(
  body: ReadableStream<Uint8Array> | null,
  bytesMax: number,
): Promise<void> {
  if (body === null || body.locked) return;
  const reader = body.getReader();
  const state = { bytes: 0, stalled: false };
  const isDone = (async () => {
    while (state.bytes <= bytesMax && !state.stalled) {
      // oxlint-disable-next-line no-await-in-loop
      const { done, value } = await reader.read();
      if (done) return;
      state.bytes += value.byteLength;
    }
    await reader.cancel();
  })().catch(() => undefined);
  await stallOrEnd(isDone, state);
  if (state.stalled) void reader.cancel().catch(() => undefined);
}

/** Settles at the end of reading, or marks as stalled what had no progress for 5 s. */
async function stallOrEnd(
  isDone: Promise<void>,
  state: { bytes: number; stalled: boolean },
): Promise<void> {
  let timer: ReturnType<typeof setInterval> | undefined;
  let seenBytes = 0;
  const stall = new Promise<void>((resolve) => {
    timer = setInterval(() => {
      if (state.bytes === seenBytes) {
        state.stalled = true;
        resolve();
      }
      seenBytes = state.bytes;
    }, drainStallMsMax);
  });
  await Promise.race([isDone, stall]);
  clearInterval(timer);
}

/**
 * The bytes of a whole body, or undefined if they are more than `bytesMax`: the rest is not read.
 * @throws RegistryError BODY_INCOMPLETE if it breaks off
 */
export async function readBytes(
  body: ReadableStream<Uint8Array> | null,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  if (body === null) return new Uint8Array();
  const blocks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const block of body.values({ preventCancel: true })) {
      size += block.byteLength;
      if (size > bytesMax) return undefined;
      blocks.push(block);
    }
  } catch {
    throw new RegistryError("BODY_INCOMPLETE", `it broke off after ${size} bytes`);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const block of blocks) {
    bytes.set(block, at);
    at += block.byteLength;
  }
  return bytes;
}

/**
 * What an answer reads of a body that it has no use for, before it cuts the rest: more than the edge
 * lets through on most plans. Clients whose body is cut report a broken pipe, or nothing but a
 * closed connection, in the place of the answer.
 */
export const drainBytesMax = 128 * 1024 * 1024;
