/** What is said while blobs are sent. */
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { formatBytes, progressTo } from "../../cli/progress.ts";

const mebibyte = 1024 ** 2;
let said = "";
let stream: Writable & { isTTY?: boolean };

beforeEach(() => {
  vi.useFakeTimers();
  said = "";
  stream = new Writable({
    write: (text, _encoding, done) => {
      said += String(text);
      done();
    },
  });
});
afterEach(() => {
  vi.useRealTimers();
});

const lines = () => said.trimEnd().split("\n");

/** A second passes, and the blob has so many MiB. */
function pass(transfer: { update(bytes: number): void }, mebibytes: number): void {
  vi.advanceTimersByTime(1000);
  transfer.update(mebibytes * mebibyte);
}

describe("elsewhere than on a terminal", () => {
  test("a blob has a line at its beginning, for each tenth, and at its end", () => {
    const transfer = progressTo(stream).begin("layer", 20 * mebibyte);
    for (let sent = 0; sent <= 20; sent += 1) pass(transfer, sent);
    transfer.done();
    expect(lines()).toHaveLength(1 + 9 + 1);
    expect(lines().slice(0, 2)).toEqual([
      "layer: begins, 20.0 MiB",
      "layer: 2.0 MiB of 20.0 MiB  1.0 MiB/s  18s left",
    ]);
    expect(lines().at(-1)).toBe("layer: done, 20.0 MiB in 21s, 975 KiB/s");
  });

  test("a slow one has a line every ten seconds", () => {
    const transfer = progressTo(stream).begin("layer", 1000 * mebibyte);
    for (let sent = 0; sent < 30; sent += 1) pass(transfer, sent);
    expect(lines()).toHaveLength(1 + 3);
  });

  test("one whose end is not known has its rate alone", () => {
    const transfer = progressTo(stream).begin("layer", undefined);
    for (let sent = 0; sent <= 10; sent += 1) pass(transfer, sent);
    transfer.done();
    expect(lines()).toEqual([
      "layer: begins",
      "layer: 9.0 MiB  1.0 MiB/s",
      "layer: done, 10.0 MiB in 11s, 931 KiB/s",
    ]);
  });

  test("what became of it instead is told", () => {
    const progress = progressTo(stream);
    progress.begin("one", 1).done("exists");
    progress.begin("two", 1).gaveUp("failed, no room");
    expect(lines().filter((line) => !line.includes("begins"))).toEqual([
      "one: done, exists",
      "two: failed, no room",
    ]);
  });
});

test("quiet, only lines are said", () => {
  const progress = progressTo(stream, { isQuiet: true });
  const transfer = progress.begin("layer", 10);
  transfer.update(10);
  transfer.done();
  progress.line("listens");
  expect(lines()).toEqual(["listens"]);
});

test("on a terminal, a blob has a bar, and a line when it is there", () => {
  stream.isTTY = true;
  Object.assign(stream, { columns: 100 });
  const progress = progressTo(stream);
  const transfer = progress.begin("layer", 10 * mebibyte);
  for (let sent = 0; sent <= 5; sent += 1) pass(transfer, sent);
  expect(said).toMatch(/layer █+░+ 4\.0 MiB of 10\.0 MiB {2}1\.0 MiB\/s {2}6s left/);
  transfer.done();
  progress.line("another line");
  expect(said).toContain("layer  5.0 MiB in 6s");
  expect(said.trimEnd().endsWith("another line")).toBe(true);
  // Nothing is drawn any more.
  const before = said;
  vi.advanceTimersByTime(5000);
  expect(said).toBe(before);
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1536 * 1024, "1.5 MiB"],
  [300 * mebibyte, "300 MiB"],
  [5 * 1024 ** 3, "5.0 GiB"],
])("%i bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
