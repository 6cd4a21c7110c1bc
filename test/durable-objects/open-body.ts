/** A body of a known length that a test sends as it goes on; `end` sends what is left. */
export function openBody(bytes: Uint8Array<ArrayBuffer>): {
  readonly body: ReadableStream<Uint8Array>;
  readonly headers: Record<string, string>;
  /** Sends so many more bytes; settles once they had the time to arrive where they are read. */
  readonly send: (count: number) => Promise<void>;
  readonly end: () => Promise<void>;
} {
  const { readable, writable } = new FixedLengthStream(bytes.length);
  const writer = writable.getWriter();
  let at = 0;
  const send = async (count: number) => {
    const piece = bytes.slice(at, at + count);
    at += piece.length;
    await writer.write(piece);
    await scheduler.wait(100);
  };
  return {
    body: readable,
    headers: { "Content-Length": String(bytes.length) },
    send,
    end: async () => {
      await send(bytes.length);
      await writer.close();
    },
  };
}
