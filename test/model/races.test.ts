import { beforeAll, test } from "vitest";
import { concurrent } from "./command.ts";
import { installSeam } from "./interruption.ts";
import { expectModelled, timeoutMs } from "./property.ts";
import { begin } from "./run.ts";

beforeAll(async () => {
  installSeam();
  await begin();
});

test(
  "commands at the same time answer and leave what some order of them does",
  async () => {
    await expectModelled(concurrent, 400);
  },
  timeoutMs,
);
