import { beforeAll, test } from "vitest";
import { interrupted } from "./command.ts";
import { installSeam } from "./interruption.ts";
import { expectModelled, timeoutMs } from "./property.ts";
import { begin } from "./run.ts";

beforeAll(async () => {
  installSeam();
  await begin();
});

test(
  "commands that are cut off are done or not, and lose nothing",
  async () => {
    await expectModelled(interrupted, 600);
  },
  timeoutMs,
);
