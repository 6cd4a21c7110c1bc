import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { busiestPullShareMax, limitsOf } from "../../bench/scale/limits.ts";
import { withTables } from "../../bench/scale/page.ts";
import { billOf, costOf, planDollars, prices } from "../../bench/scale/prices.ts";
import { egressDollars, otherBill, otherRegistries } from "../../bench/scale/registries.ts";
import { amount, money } from "../../bench/scale/tables.ts";
import { dayOf, usageOf } from "../../bench/scale/usage.ts";
import { company, publicRegistry, type Workload } from "../../bench/scale/workload.ts";

const run = promisify(execFile);
const million = 1e6;

/** A pull by digest of an image of ten layers, all of which the node lacks, with everything warm. */
const onePull: Workload = {
  ...company,
  pullsPerDay: 1,
  pushesPerDay: 0,
  layers: 10,
  byTagShare: 0,
  indexShare: 0,
  fetchedShare: 1,
  replicaShare: 1,
  linkShare: 1,
};

/** A push of ten layers, all of them new and whole. */
const onePush: Workload = {
  ...onePull,
  pullsPerDay: 0,
  pushesPerDay: 1,
  newLayerShare: 1,
  streamedShare: 0,
};

test("docs/scale.md has the tables that the model makes: npm run scale -- --write", async () => {
  const page = await readFile("docs/scale.md", "utf8");
  expect(page).toBe(withTables(page));
});

describe("what Cloudflare's own examples of its prices come to", () => {
  test.each([
    ["15 M requests of 7 ms", 8, planDollars, { requests: 15 * million, cpuMs: 105 * million }],
    [
      "100 M requests of 7 ms",
      45.4,
      planDollars,
      { requests: 100 * million, cpuMs: 700 * million },
    ],
    [
      "R2, 1,000 GB read a million times",
      14.85,
      0,
      { r2GB: 1000, r2ClassA: 1000, r2ClassB: million },
    ],
    ["R2, 100,000 files read 10 M times a day", 104.4, 0, { r2ClassB: 300 * million, r2GB: 10 }],
    ["R2, an operation more than a million", 4.5, 0, { r2ClassA: million + 1 }],
    ["objects that are active for 552,960 GB-s", 1.912, 0, { objectGBs: 552_960 }],
  ])("%s: $%f", (_case, dollars, plan, used) => {
    const lines = Object.entries(used).map(([key, value]) =>
      costOf(prices[key as keyof typeof prices], value),
    );
    expect(lines.reduce((sum, line) => sum + line, plan)).toBeCloseTo(dollars, 3);
  });
});

describe("what a day asks for, counted by hand", () => {
  test("a pull by digest", () => {
    const day = dayOf(onePull);
    const { requests, classB, kvReads, objectCalls } = day;
    // A refusal and a token, HEAD and GET of the manifest, a config and ten layers.
    expect({ requests, classB, kvReads, objectCalls }).toEqual({
      requests: 15,
      classB: 11,
      kvReads: 2,
      objectCalls: 0,
    });
  });

  test("a pull by tag", () => {
    const { kvReads, calls } = dayOf({ ...onePull, byTagShare: 1 });
    expect(kvReads).toBe(1);
    expect([...calls]).toEqual([["Repository.manifest", 1]]);
  });

  test("a push", () => {
    const day = dayOf(onePush);
    // HEAD, POST and PUT of each of eleven blobs, and the manifest; and two for the token.
    expect(day.requests).toBe(36);
    expect(day.classA).toBe(11);
    expect(day.kvWrites).toBe(2);
    expect(Object.fromEntries(day.calls)).toEqual({
      "Repository.blob": 11,
      "BlobIndex.take": 11,
      "BlobIndex.claim": 11,
      "Repository.linkBlob": 11,
      "Repository.putManifest": 1,
      "Repository.holds": 11,
      "Catalog.set": 1,
    });
  });

  test("a push of streams, whose parts R2 counts one by one", () => {
    const image = { imageBytes: 10 * 20 * 1024 * 1024, layers: 10 };
    const { classA, calls } = dayOf({ ...onePush, ...image, streamedShare: 1 });
    // Each of ten layers is begun, has two parts and is completed; the config is whole.
    expect(classA).toBe(41);
    expect(calls.get("UploadSession.commit")).toBe(10);
  });
});

describe("the bill of a company grows", () => {
  test.each([
    ["pullsPerDay", 2e6],
    ["pushesPerDay", 20_000],
    ["imageBytes", 800e6],
    ["layers", 24],
    ["dataCentres", 200],
    ["fetchedShare", 0.8],
    ["indexShare", 1],
    ["newLayerShare", 0.6],
    ["keptDays", 180],
  ] as const)("with %s", (key, value) => {
    const former = billOf(usageOf(company)).dollars;
    expect(billOf(usageOf({ ...company, [key]: value })).dollars).toBeGreaterThan(former);
  });

  test.each([
    ["byTagShare", 1],
    ["replicaShare", 0.5],
    ["linkShare", 0.5],
  ] as const)("not by much, but objects are asked more, with %s of %f", (key, value) => {
    const former = usageOf(company).objectRequests;
    expect(usageOf({ ...company, [key]: value }).objectRequests).toBeGreaterThan(1.05 * former);
  });
});

test("the first limit of a public registry is the object of what is pulled most, by tag", () => {
  const [first] = limitsOf({ ...publicRegistry, busiestPullShare: 0.1 });
  expect(first?.name).toBe("calls of the repository that is pulled from most");
  expect(first?.used).toBeGreaterThan(first?.max ?? Infinity);
  const share = busiestPullShareMax(publicRegistry);
  const met = limitsOf({ ...publicRegistry, busiestPullShare: share });
  const limit = met.find(({ name }) => name === first?.name);
  expect(limit?.used).toBeCloseTo(1000, 6);
});

describe("registries that bill for what leaves", () => {
  test.each([
    [100, 0],
    [10_100, 900],
    [150_100, 11_300],
    [1_150_100, 61_300],
  ])("Amazon: %i GB cost $%i", (sentGB, dollars) => {
    expect(egressDollars(otherRegistries[0]?.egress ?? [], sentGB)).toBeCloseTo(dollars, 6);
  });

  test.each(otherRegistries.map((registry) => [registry.name, registry] as const))(
    "%s costs a company more than Longshore, even within its own region",
    (_name, registry) => {
      const usage = usageOf(company);
      const ours = billOf(usage).dollars;
      expect(otherBill(registry, usage, 0)).toBeGreaterThan(ours);
      expect(otherBill(registry, usage, 1)).toBeGreaterThan(10 * ours);
    },
  );
});

test.each([
  [0, "0"],
  [0.064, "0.06"],
  [9.99, "9.99"],
  [999.4, "999"],
  [999.6, "1 k"],
  [12_345, "12.3 k"],
  [4.5e9, "4.5 B"],
])("the amount %f is shown as %s", (value, text) => {
  expect(amount(value)).toBe(text);
});

test.each([
  [0, "$0.00"],
  [9.915, "$9.91"],
  [2319.4, "$2,319"],
  [47_200_000, "$47.2 M"],
])("%f dollars are shown as %s", (dollars, text) => {
  expect(money(dollars)).toBe(text);
});

function scale(...args: string[]) {
  return run("node", ["bench/scale/scale.ts", ...args]);
}

describe("npm run scale", () => {
  test("prints the tables of a workload of one's own", async () => {
    const { stdout } = await scale("team", "pullsPerDay=2000");
    expect(stdout).toContain("| pulls a day | 2 k |");
    expect(stdout).toContain("a team, changed");
  });

  test.each([
    [["nobody"], "nobody is none of team, company, public"],
    [["team", "pulls=5"], 'a workload has no number "pulls"'],
    [["team", "layers=many"], 'layers is "many", not a number from 0'],
  ])("refuses %j", async (args, text) => {
    await expect(scale(...args)).rejects.toThrow(text);
  });
});
