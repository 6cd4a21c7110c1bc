/** Counterexamples that the model had to the registry, each as it was shrunk. */
import { reset } from "cloudflare:test";
import { beforeAll, beforeEach, describe, test } from "vitest";
import type { Command } from "./command.ts";
import { installSeam } from "./interruption.ts";
import { begin, type Ending, runCommands, setClock } from "./run.ts";

beforeAll(installSeam);

const sequences: readonly { name: string; commands: readonly Command[]; ending: Ending }[] = [
  {
    name: "a repository that ends and begins again in one millisecond is known to the catalog",
    commands: [
      { do: "push", repository: 0, blob: "b0", how: "POST" },
      { do: "alarms", of: "repositories" },
      { do: "push", repository: 0, blob: "b1", how: "POST" },
      { do: "wait", seconds: 86_401 },
      { do: "alarms", of: "repositories" },
      { do: "push", repository: 0, blob: "b0", how: "POST" },
    ],
    ending: "at once",
  },
];

describe("in a registry with other blobs", () => {
  beforeEach(async () => {
    await reset();
    await begin();
  });

  test.each(sequences)("$name", async ({ commands, ending }) => {
    await runCommands(commands, ending);
  });
});

describe("in a registry in which nothing was", () => {
  beforeEach(async () => {
    await reset();
    setClock();
  });

  test("a forced collection deletes what a push has stored and not claimed", async () => {
    await runCommands(
      [
        {
          do: "cut",
          operation: { do: "push", repository: 0, blob: "b0", how: "POST" },
          cut: { at: 1, done: true, abort: false },
        },
      ],
      "forced",
    );
  });
});
