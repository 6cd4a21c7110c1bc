/** How long the registry waits for its stores before it goes on without them, in milliseconds. */
export const timeLimits = {
  /** R2 for an answer; the bytes of an object may then take as long as the client takes them. */
  r2AnswerMs: 10_000,
  /** R2 for what is at hand: a part, or a blob smaller than one. Clients wait for 30 s. */
  r2WriteMs: 25_000,
  /** R2 to make an object of up to 10,000 parts; the client is answered before. */
  r2CompleteMs: 60_000,
  /** KV for a replica: the repository's object has the same at hand. */
  kvReadMs: 1500,
  kvWriteMs: 10_000,
  /** How long a write that KV did not answer may still happen. */
  kvLateMs: 60_000,
  /** A data centre's cache. */
  cacheMs: 1000,
  /** How long a store that only saves a question is not asked again once it was silent. */
  restMs: 10_000,
};

/** The least that a client sends in a second, in bytes: a body that comes more slowly is given up. */
const bodyBytesPerSecondMin = 16 * 1024;

/**
 * How long R2 has for a body that comes from a client, in milliseconds. The Worker does not see the
 * bytes that go from the one to the other, so it can't tell who of them is silent.
 */
export function bodyLimitMs(length: number): number {
  return timeLimits.r2WriteMs + (1000 * length) / bodyBytesPerSecondMin;
}

/** A store that did not answer in time. What it was asked to do may be done all the same. */
export class StoreSilent extends Error {
  override readonly name: string = "StoreSilent";
}

/**
 * The answer of a store, if it comes in time; one that comes later is handed to `unused`.
 * @throws StoreSilent, what the store throws
 */
export async function answerWithin<T>(
  limitMs: number,
  what: string,
  answer: Promise<T>,
  unused: (late: T) => void = () => undefined,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new StoreSilent(`${what}: no answer within ${limitMs} ms`)),
      limitMs,
    );
  });
  try {
    return await Promise.race([answer, silence]);
  } catch (error) {
    if (error instanceof StoreSilent) answer.then(unused, () => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
