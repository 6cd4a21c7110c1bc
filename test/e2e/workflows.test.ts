import { expect, test } from "vitest";
import { run } from "./command.ts";
import { tools } from "./tools.ts";

test("actionlint finds nothing in the workflow for GitHub", async () => {
  // Its own checks alone: shellcheck is there on some machines.
  const args = ["-no-color", "-shellcheck=", "-pyflakes=", "docs/deploy/github-actions.yml"];
  const { stdout } = await run(tools.actionlint, args);
  expect(stdout).toBe("");
});
