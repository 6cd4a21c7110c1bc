import { type Outcome, refuse } from "../schemas/outcome.ts";

/** containerd from 2.3 and Docker 29 give up 30 s after the last byte of their body. */
const answerMsMax = 25_000;

/**
 * The outcome of a commit, or OVERLOADED when it takes longer than 25 s from when its body was
 * read: it then goes on by itself, and the same request sent again joins it.
 */
export async function inTime(
  outcome: Promise<Outcome<undefined>>,
  bodyRead: Promise<void>,
): Promise<Outcome<undefined>> {
  await bodyRead;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Outcome<undefined>>((resolve) => {
    timer = setTimeout(() => {
      resolve(refuse("OVERLOADED", "the blob is still being verified", { "Retry-After": "5" }));
    }, answerMsMax);
  });
  try {
    return await Promise.race([outcome, late]);
  } finally {
    clearTimeout(timer);
  }
}
