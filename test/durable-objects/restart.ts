import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { expect, vi } from "vitest";

/** How an object loses its memory: in good order, or in the middle of whatever it does. */
export const restarts = ["evicted", "aborted"] as const;
export type Restart = (typeof restarts)[number];

/** Has an object lose its memory; its storage stays. An abort breaks stubs: `stub` makes new ones. */
export async function restart(stub: () => DurableObjectStub, how: Restart): Promise<void> {
  const former = await runInDurableObject(stub(), (instance) => instance);
  if (how === "evicted") await evictDurableObject(stub());
  else await abort(stub());
  await vi.waitFor(async () => {
    expect(await runInDurableObject(stub(), (instance) => instance === former)).toBe(false);
  });
}

async function abort(stub: DurableObjectStub): Promise<void> {
  try {
    await runInDurableObject(stub, (_, state) => {
      state.abort("restarted by a test");
    });
  } catch {
    // The abort breaks the call that makes it, too.
  }
}
