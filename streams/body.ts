/** Reading of request bodies that both the Worker and the Durable Objects need. */

/**
 * Reads and forgets a body that will not be used, so that the client gets to read the answer
 * (containerd up to 1.6 and BuildKit up to 0.12 hang when answered before their body is read). At
 * most `bytesMax` bytes: what is longer is cut.
 */
export async function drain(body: ReadableStream<Uint8Array> | null, bytesMax: number) {
  if (body === null || body.locked) return;
  const reader = body.getReader();
  let bytes = 0;
  try {
    while (bytes <= bytesMax) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.byteLength;
    }
    await reader.cancel();
  } catch {
    // The client is gone: there is nobody left to answer.
  }
}

/** The bytes of a whole body, or undefined if they are more than `bytesMax`. */
export async function readBytes(
  body: ReadableStream<Uint8Array> | null,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  if (body === null) return new Uint8Array();
  const blocks: Uint8Array[] = [];
  let size = 0;
  for await (const block of body) {
    size += block.byteLength;
    if (size > bytesMax) return undefined;
    blocks.push(block);
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
 * What an early error reads of a body before it cuts the rest: twice the chunk that clients are asked
 * to send. Go clients whose chunk is cut report a broken pipe in the place of the answer.
 */
export const drainBytesMax = 16 * 1024 * 1024;
