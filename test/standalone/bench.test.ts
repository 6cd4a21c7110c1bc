import { describe, expect, test } from "vitest";
import { full, sayBytes, smoke, standard } from "../../bench/amounts.ts";
import { growthChart } from "../../bench/growth-chart.ts";
import { parseOptions } from "../../bench/options.ts";
import { page } from "../../bench/page.ts";
import type { Peer } from "../../bench/peer.ts";
import { foremostPeer } from "../../bench/peers.ts";
import { ratioChart } from "../../bench/ratio-chart.ts";
import { Measurements, type Results } from "../../bench/results.ts";
import type { Row } from "../../bench/scenario.ts";
import { median, ratio, summarize } from "../../bench/statistics.ts";
import { rowsOf, suitesOf } from "../../bench/suites.ts";
import { markdownTable, sayFigure, textTable } from "../../bench/table.ts";

const ours: Peer = { name: "Longshore", isOurs: true };
const theirs: Peer = { name: foremostPeer };
const nothing: Peer = { name: "client alone", isNothing: true };

const push: Row = { name: "push <1 & 2> MB", unit: "/s", better: "higher" };
const pull: Row = { name: "pull 512 MiB", unit: "s", better: "lower" };
const page10: Row = {
  name: "page, 10 tags",
  unit: "ms",
  better: "lower",
  growth: { of: "page", at: 10 },
};
const page1000: Row = { ...page10, name: "page, 1,000 tags", growth: { of: "page", at: 1000 } };

/** Two rounds, in which ours pushes twice as fast, pulls half as fast, and has one failure. */
function measured(): Results {
  const measurements = new Measurements();
  for (const round of [0, 1]) {
    measurements.add(push, ours.name, round, 200 + 2 * round);
    measurements.add(push, theirs.name, round, 100);
    measurements.add(push, nothing.name, round, 1000);
    measurements.add(pull, theirs.name, round, 0.5);
    measurements.add(page10, ours.name, round, 0.4);
    measurements.add(page1000, ours.name, round, 12);
  }
  measurements.add(pull, ours.name, 1, 1);
  const peers = [ours, theirs, nothing];
  return {
    date: "2026-11-21T10:00:00.000Z",
    seconds: 120,
    machine: {
      cores: 2,
      model: "a core",
      memoryGib: 24,
      kernel: "Linux 6",
      fileSystem: "ext4",
      node: "v24",
      workerd: "1",
      go: "go1.26",
    },
    peers: peers.map(({ name }) => name),
    rounds: 2,
    rows: [push, pull, page10, page1000].map((row) => measurements.result(row, peers)),
    failures: ["round 1, Longshore, pull 512 MiB: Error: answered 500\nand more"],
  };
}

/** The elements of a picture; throws where one is not closed, or text is not escaped. */
function elements(picture: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  for (const [, end, name = "", , closed] of picture.matchAll(
    /<(\/?)(\w+)((?:\s[\w-:]+="[^"<]*")*)\s*(\/?)>/g,
  )) {
    if (end === "/") expect(open.pop()).toBe(name);
    else if (closed !== "/") open.push(name);
    if (end !== "/") names.push(name);
  }
  expect(open).toEqual([]);
  expect(picture.split("<").length - 1).toBe(names.length + (picture.match(/<\//g) ?? []).length);
  expect(picture).not.toMatch(/&(?!(?:amp|lt|gt|quot);)|NaN|undefined|Infinity/);
  return names;
}

describe("statistics", () => {
  test.each([
    ["one value", [7], 7],
    ["an odd count, unsorted", [9, 1, 5], 5],
    ["an even count: between the two", [4, 1, 3, 2], 2.5],
    ["numbers, not words", [10, 9, 100], 10],
  ])("the median of %s", (_, values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test("nothing has no median", () => {
    expect(() => median([])).toThrow(RangeError);
    expect(summarize([])).toBeUndefined();
  });

  test("the spread is from the least to the most", () => {
    expect(summarize([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3, count: 3 });
  });

  test.each([
    ["more is better", [20, 30], [10, 10], "higher", 2.5],
    ["less is better", [2, 2], [4, 4], "lower", 2],
    ["rounds are compared by themselves", [1, 10, 100], [2, 20, 200], "higher", 0.5],
    ["a round that one of both has not is left out", [undefined, 4], [1, 2], "higher", 2],
    ["a round that never was is left out", [4, 4, 4], [2], "higher", 2],
    ["none in common", [1], [undefined], "higher", undefined],
    ["nothing is no divisor", [1], [0], "higher", undefined],
  ] as const)("ratio: %s", (_, own, peers, better, expected) => {
    expect(ratio(own, peers, better)).toBe(expected);
  });

  test("ours is compared with registries, and not with what is none", () => {
    const [pushed, pulled] = measured().rows;
    expect(pushed?.ratios).toEqual({ [foremostPeer]: 2.01 });
    expect(pulled?.ratios).toEqual({ [foremostPeer]: 0.5 });
    expect(pushed?.summaries[nothing.name]?.median).toBe(1000);
  });
});

describe("what is shown", () => {
  test.each([
    [0, "0"],
    [0.01234, "0.0123"],
    [1.234, "1.23"],
    [12.34, "12.3"],
    [123.4, "123"],
    [12_345.6, "12,346"],
  ])("%d is said as %s", (figure, said) => {
    expect(sayFigure(figure)).toBe(said);
  });

  test.each([
    [10_000_000, "10 MB"],
    [1000, "1 kB"],
    [512 * 2 ** 20, "512 MiB"],
    [10 * 2 ** 30, "10 GiB"],
  ])("%d bytes are said as %s", (bytes, said) => {
    expect(sayBytes(bytes)).toBe(said);
  });

  test("a table has medians, spreads and ratios, and a dash where there is nothing", () => {
    const lines = textTable(measured()).split("\n");
    expect(lines[0]).toMatch(
      /unit +Longshore +distribution 3\.1\.2 +client alone +against dist\S+ 3\.1\.2$/,
    );
    expect(lines[1]).toMatch(
      /^push <1 & 2> MB +\/s +201 \(200–202\) +100 \(100–100\) +1,000 \(.*\) +2\.01×$/,
    );
    expect(lines[2]).toMatch(/^pull 512 MiB +s +1\.00 +0\.500 \(0\.500–0\.500\) +– +0\.50×$/);
    expect(new Set(lines.slice(1, 3).map((line) => line.length)).size).toBe(1);
  });

  test("Markdown has as many columns in each row", () => {
    const lines = markdownTable(measured()).split("\n");
    expect(lines).toHaveLength(6);
    expect(new Set(lines.map((line) => line.split("|").length))).toEqual(new Set([8]));
  });

  test("bars lie on the side of who is ahead", () => {
    const picture = ratioChart(measured(), foremostPeer);
    expect(elements(picture).filter((name) => name === "rect")).toHaveLength(3);
    const bars = [...picture.matchAll(/<rect x="([\d.]+)".* width="([\d.]+)" .*fill="(#\w+)"\/>/g)];
    const [ahead, behind] = bars.slice(-2).map(([, x, length, color]) => ({
      from: Number(x),
      to: Number(x) + Number(length),
      color,
    }));
    expect(behind?.to).toBeCloseTo(ahead?.from ?? 0, 0);
    expect(ahead?.color).not.toBe(behind?.color);
    expect(picture).toContain("push &lt;1 &amp; 2&gt; MB");
  });

  test("a ratio beyond the picture is cut off, not left out", () => {
    const results = measured();
    const rows = results.rows.map((row) => ({ ...row, ratios: { [foremostPeer]: 5000 } }));
    const picture = ratioChart({ ...results, rows }, foremostPeer);
    elements(picture);
    expect(picture).toContain("5000×");
  });

  test("growth is a curve for each peer that has points", () => {
    const picture = growthChart(measured());
    const names = elements(picture);
    expect(names.filter((name) => name === "polyline")).toHaveLength(1);
    expect(names.filter((name) => name === "circle")).toHaveLength(2);
    expect(picture).toContain("1,000");
  });

  test("pictures of a run that measured nothing are whole", () => {
    const nothingMeasured = { ...measured(), rows: [] };
    elements(ratioChart(nothingMeasured, foremostPeer));
    elements(growthChart(nothingMeasured));
  });

  test("the page has both tables, and what failed", () => {
    const text = page(measured());
    expect(text).toContain("| pull 512 MiB | s | 1.00 |");
    expect(text).toContain("| page, 1,000 tags | ms | 12.0 (12.0–12.0) |");
    expect(text).toMatch(/## What failed\n\n- round 1, .* answered 500\n$/);
  });
});

describe("scenarios", () => {
  test.each(Object.entries({ standard, full, smoke }))(
    "%s: no two rows are named alike",
    (_, amounts) => {
      const names = rowsOf(suitesOf(amounts)).map(({ name }) => name);
      expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
    },
  );

  test("a smoke run has every row of the standard, and new repositories", () => {
    const count = rowsOf(suitesOf({ ...standard, manyImages: full.manyImages })).length;
    expect(rowsOf(suitesOf(smoke))).toHaveLength(count);
    expect(count).toBeGreaterThan(40);
  });

  test("a pattern chooses steps, with all their rows", () => {
    const chosen = rowsOf(suitesOf(standard, /^layers: pull 512 MiB$/));
    expect(chosen.map(({ unit }) => unit)).toEqual(["s", "s"]);
  });

  test.each([
    ["--rounds 0", /--rounds is "0"/],
    ["--minutes soon", /--minutes is "soon"/],
    ["--fast", /Unknown option '--fast'/],
  ])("%s is explained", (line, message) => {
    expect(() => parseOptions(line.split(" "))).toThrow(message);
  });

  test("options are read", () => {
    const options = parseOptions([
      "--only",
      "PULL",
      "--peers",
      "long,dist",
      "--url",
      "zot=http://z:1",
    ]);
    expect(options).toMatchObject({ peers: ["long", "dist"], urls: ["zot=http://z:1"], rounds: 5 });
    expect(options.only?.test("layers: pull")).toBe(true);
  });
});
