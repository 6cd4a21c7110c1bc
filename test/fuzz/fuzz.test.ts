/**
 * Requests at random over real sockets against the registry as `npm start` runs it. Whatever is
 * sent: no answer is 5xx, nothing hangs, no connection is dropped in the place of an answer to a
 * well-formed request, and a repository that nobody may write to is afterwards what it was before.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Start } from "../standalone/start-process.ts";
import { Traffic } from "./traffic.ts";
import { Witness } from "./witness.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? Date.now());
const requests = Number(process.env["FUZZ_REQUESTS"] ?? 10_000);
/** Generous: a machine that is busy answers a hundred a second. */
const timeout = 120_000 + requests * 20;

let folder = "";
let started: Start;
let url = "";
let witness: Witness;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-fuzz-"));
  started = new Start([process.execPath, "standalone/start.ts"], {
    REGISTRY_PORT: "0",
    REGISTRY_AUTH_TYPE: "none",
    REGISTRY_STORAGE_PATH: folder,
  });
  url = await started.url();
  witness = await Witness.push(url);
});

afterAll(async () => {
  started.process.kill("SIGTERM");
  await started.ended;
  await rm(folder, { recursive: true, maxRetries: 10 });
});

test(`${requests} requests of seed ${seed} are answered by the rules`, { timeout }, async () => {
  console.log(`again: FUZZ_SEED=${seed} FUZZ_REQUESTS=${requests} npx vitest run --project fuzz`);
  const traffic = new Traffic(url, witness, seed);
  await traffic.send(requests);
  console.log(JSON.stringify(Object.fromEntries(traffic.outcomes)));
  for (const example of traffic.examples) console.log(example);
  expect(Object.fromEntries(traffic.violations)).toEqual({});
  expect([...traffic.outcomes.keys()]).toEqual(
    expect.arrayContaining(["200", "201", "202", "404"]),
  );
});

test("then the witness is what it was", async () => {
  const [before, after] = await witness.beforeAndAfter();
  expect(after).toBe(before);
});

test("then the registry lives, and its log tells of no failed request", async () => {
  const answer = await fetch(`${url}/v2/`);
  expect([answer.status, await answer.text()]).toEqual([200, "{}"]);
  expect(started.process.exitCode).toBeNull();
  const failures = started.errors.split("\n").filter((line) => isFailure(line));
  expect([...new Set(failures)]).toEqual([]);
});

/** Failures that are the registry's own. A Worker has no handler for CONNECT: workerd tells that. */
function isFailure(line: string): boolean {
  if (line.includes("does not export a connect() function")) return false;
  return line.includes('"event":"request failed"') || /uncaught|fatal|internal error/i.test(line);
}
