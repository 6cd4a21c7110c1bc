/** The unit of docs/systemd, as systemd itself judges it. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { run } from "./command.ts";
import { tools } from "./tools.ts";

const root = join(import.meta.dirname, "../..");
const cleanup = new Cleanup();
let folder: string;
let unit: string;

beforeAll(async () => {
  folder = await cleanup.folder();
  const text = await readFile(join(root, "docs/systemd/longshore.service"), "utf8");
  // Where the registry is here: its program has to be there.
  unit = text.replaceAll("/opt/longshore", root);
});

afterAll(async () => cleanup.run());

/** The unit with what it has as a comment for HTTPS. */
function withTls(): string {
  return unit.replaceAll(/^#(?=[A-Z]\w+=)/gmu, "");
}

/** Runs systemd-analyze on a unit; answers all that it says. */
async function analyze(command: readonly string[], text: string): Promise<string> {
  const path = join(folder, "longshore.service");
  await writeFile(path, text);
  const { stdout, stderr } = await run(tools.systemdAnalyze, [...command, path]);
  return stdout + stderr;
}

test.each([
  ["as it is", () => unit],
  ["with HTTPS", withTls],
])("systemd has nothing to say against the unit %s", async (_, text) => {
  expect(await analyze(["verify"], text())).toBe("");
});

test("systemd finds what is wrong with a unit", async () => {
  const wrong = unit.replace("ProtectSystem=strict", "ProtectSystem=strictly");
  expect(await analyze(["verify"], wrong)).toContain("Failed to parse protect system value");
});

test.each([
  ["as it is", () => unit, 1.5],
  ["with HTTPS", withTls, 2],
])("the unit %s shows little to an attacker", async (_, text, exposureMax) => {
  const said = await analyze(["security", "--offline=true", "--no-pager"], text());
  const exposure = /exposure level for longshore\.service: (\d+\.\d)/u.exec(said)?.[1];
  expect(Number(exposure)).toBeLessThanOrEqual(exposureMax);
});
