import { env } from "cloudflare:workers";
import * as fc from "fast-check";
import type { Command } from "./command.ts";
import { endings, runModel, steps } from "./run.ts";

const factor = Number(Reflect.get(env, "MODEL_RUNS") ?? 1);
/** The same runs at each change; MODEL_SEED has others tried. */
const seed = Number(Reflect.get(env, "MODEL_SEED"));
/** A test's, of hundreds of runs. */
export const timeoutMs = 900_000 * Math.max(1, factor);
/** Commands a run has at most; those that fail are shrunk to few of them. */
const commandsMax = 9;

/**
 * Runs the registry beside its model. A failure prints the seed and path by which it is found again,
 * and the commands, to be kept in regressions.test.ts. MODEL_RUNS multiplies the
 * runs.
 */
export async function expectModelled(commands: fc.Arbitrary<Command>, runs: number): Promise<void> {
  await fc.assert(fc.asyncProperty(steps(commands, commandsMax), endings, runModel), {
    numRuns: Math.ceil(runs * factor),
    seed,
  });
}
