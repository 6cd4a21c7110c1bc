import { RegistryError } from "../../schemas/errors.ts";

/** bcrypt takes the processor for itself: so many log-ins are looked at at once in an isolate. */
const turnsMax = 2;
/** How long a log-in waits for its turn; it is asked to come again behind that. */
const waitMsMax = 5000;
const pollMs = 20;
/** A request that is cut off does not end its turn. */
const turnMsMax = 10_000;

interface Turn {
  readonly beganMs: number;
}

const turns = new Set<Turn>();

/**
 * Does what takes a processor when it is its turn, so that no flood of log-ins stalls the others.
 * Turns are polled for, as a request can't be woken by another one in workerd.
 * @throws RegistryError TOOMANYREQUESTS, and what `work` throws
 */
export async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const untilMs = Date.now() + waitMsMax;
  while (takenTurns() >= turnsMax) {
    if (Date.now() > untilMs) {
      const headers = { "Retry-After": "5" };
      throw new RegistryError("TOOMANYREQUESTS", "many log in at once", headers);
    }
    // oxlint-disable-next-line no-await-in-loop
    await scheduler.wait(pollMs);
  }
  const turn = { beganMs: Date.now() };
  turns.add(turn);
  try {
    return await work();
  } finally {
    turns.delete(turn);
  }
}

function takenTurns(): number {
  for (const turn of turns) {
    if (Date.now() - turn.beganMs > turnMsMax) turns.delete(turn);
  }
  return turns.size;
}
