import { beforeAll, test } from "vitest";
import { sequential } from "./command.ts";
import { expectModelled, timeoutMs } from "./property.ts";
import { begin } from "./run.ts";

beforeAll(begin);

test(
  "commands one after the other answer and leave what the model says",
  async () => {
    await expectModelled(sequential, 1000);
  },
  timeoutMs,
);
