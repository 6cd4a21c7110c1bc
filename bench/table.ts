import type { Results, RowResult } from "./results.ts";
import type { Summary } from "./statistics.ts";

/** Three digits that count, and no more: 0.0123, 1.23, 12.3, 123, 12,345. */
export function sayFigure(figure: number): string {
  if (figure === 0) return "0";
  const digits = Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(Math.abs(figure)))));
  return figure.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** How many times better: 1.23×. */
export function sayRatio(ratio: number): string {
  return `${ratio < 10 ? ratio.toFixed(2) : ratio.toFixed(0)}×`;
}

export function sayRounds(rounds: number): string {
  return rounds === 1 ? "1 round" : `${rounds} rounds`;
}

function saySummary(summary: Summary | undefined): string {
  if (summary === undefined) return "–";
  const { median, least, most, count } = summary;
  const spread = count === 1 ? "" : ` (${sayFigure(least)}–${sayFigure(most)})`;
  return sayFigure(median) + spread;
}

/** The lines of a table for a terminal: medians with their spread, and how ours compares. */
export function textTable(results: Pick<Results, "peers" | "rows">): string {
  const lines = cells(results);
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const padded = lines.map((line) =>
    line.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column < textColumns ? cell.padEnd(width) : cell.padStart(width);
    }),
  );
  return padded.map((line) => line.join("  ").trimEnd()).join("\n");
}

/** The same for Markdown. */
export function markdownTable(results: Pick<Results, "peers" | "rows">): string {
  const [head = [], ...rows] = cells(results);
  const rule = head.map((_, column) => (column < textColumns ? "---" : "---:"));
  return [head, rule, ...rows].map((line) => `| ${line.join(" | ")} |`).join("\n");
}

/** Columns of words; in all others are figures. */
const textColumns = 2;

function cells({ peers, rows }: Pick<Results, "peers" | "rows">): string[][] {
  const compared = peers.filter((peer) => rows.some(({ ratios }) => ratios[peer] !== undefined));
  const head = ["", "unit", ...peers, ...compared.map((peer) => `against ${peer}`)];
  return [head, ...rows.map((row) => rowCells(row, peers, compared))];
}

function rowCells(row: RowResult, peers: readonly string[], compared: readonly string[]): string[] {
  const ratios = compared.map((peer) => row.ratios[peer]);
  return [
    row.name,
    row.unit,
    ...peers.map((peer) => saySummary(row.summaries[peer])),
    ...ratios.map((times) => (times === undefined ? "–" : sayRatio(times))),
  ];
}
