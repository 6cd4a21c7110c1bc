/** What `/readyz` says is wrong; undefined if it is ready. */
export async function readyProblem(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(new URL("/readyz", url), { signal: AbortSignal.timeout(15_000) });
    const body = await answer.text();
    return answer.status === 200 ? undefined : `${answer.status} ${body.trim().slice(0, 300)}`;
  } catch (error) {
    const { cause, message } = error as Error;
    return cause instanceof Error ? cause.message || message : message;
  }
}
