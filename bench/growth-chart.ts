import { sayCount } from "./amounts.ts";
import { sayMachine } from "./machine.ts";
import type { Results, RowResult } from "./results.ts";
import { colors, heading, line, picture, round, text } from "./svg.ts";
import { sayFigure } from "./table.ts";

const columns = 2;
const panelWidth = 440;
const panelHeight = 250;
const margin = { left: 70, right: 20, top: 34, bottom: 40 };
const head = 104;

interface Point {
  readonly at: number;
  readonly ms: number;
}

/** A panel for each operation: what one costs, by how many tags there are, a line for each peer. */
export function growthChart(results: Results): string {
  const points = results.rows.filter(({ growth }) => growth !== undefined);
  const peers = results.peers.filter((peer) => points.some((row) => row.summaries[peer]));
  const operations = Map.groupBy(points, ({ growth }) => growth?.of ?? "");
  const width = columns * panelWidth + 20;
  const height = head + Math.ceil(operations.size / columns) * panelHeight + 10;
  const title = "How cost grows with the tags of a repository";
  return picture(width, height, title, [
    ...heading(title, [
      sayMachine(results.machine),
      `Milliseconds of one request at a time, median of many, ${results.date.slice(0, 10)}; both axes logarithmic`,
    ]),
    ...legend(peers),
    ...[...operations].map(([name, rows], index) => {
      const x = 10 + (index % columns) * panelWidth;
      const y = head + Math.floor(index / columns) * panelHeight;
      return `<g transform="translate(${x} ${y})">\n${panel(name, rows, peers).join("\n")}\n</g>`;
    }),
  ]);
}

function legend(peers: readonly string[]): string[] {
  return peers.slice(0, colors.series.length).flatMap((peer, index) => {
    const x = 20 + index * 200;
    return [line(x, 86, x + 24, 86, colorOf(index), 3), text(x + 32, 90, peer, { size: 12 })];
  });
}

function colorOf(index: number): string {
  return colors.series[index] ?? colors.faint;
}

function panel(name: string, rows: readonly RowResult[], peers: readonly string[]): string[] {
  const series = peers.map((peer) =>
    rows.flatMap(({ growth, summaries }): Point[] => {
      const ms = summaries[peer]?.median;
      return growth === undefined || ms === undefined ? [] : [{ at: growth.at, ms }];
    }),
  );
  const sizes = [...new Set(rows.map(({ growth }) => growth?.at ?? 1))];
  const across = scale(sizes, margin.left + 20, panelWidth - margin.right - 20);
  const powers = decades(series.flat().map(({ ms }) => ms));
  const up = scale(powers, panelHeight - margin.bottom, margin.top);
  return [
    text(margin.left, 18, name, { size: 13, isBold: true }),
    ...powers.flatMap((power) => [
      line(margin.left, up(power), panelWidth - margin.right, up(power), colors.frame),
      text(margin.left - 8, up(power) + 4, `${power < 1 ? power : sayCount(power)} ms`, {
        anchor: "end",
        size: 11,
        color: colors.faint,
      }),
    ]),
    ...sizes.map((size) =>
      text(across(size), panelHeight - margin.bottom + 18, sayCount(size), {
        anchor: "middle",
        size: 11,
        color: colors.faint,
      }),
    ),
    ...series.flatMap((points, index) => curve(points, across, up, colorOf(index))),
  ];
}

function curve(
  points: readonly Point[],
  across: (value: number) => number,
  up: (value: number) => number,
  color: string,
): string[] {
  if (points.length === 0) return [];
  const path = points.map(({ at, ms }) => `${round(across(at))},${round(up(ms))}`).join(" ");
  return [
    `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2.5"/>`,
    ...points.map(
      ({ at, ms }) =>
        `<circle cx="${round(across(at))}" cy="${round(up(ms))}" r="4" fill="${color}"><title>${sayFigure(ms)} ms</title></circle>`,
    ),
  ];
}

/** The powers of ten around all values; at least two. */
function decades(values: readonly number[]): number[] {
  const [least, most] = values.length === 0 ? [1, 10] : [Math.min(...values), Math.max(...values)];
  const from = Math.floor(Math.log10(least));
  const to = Math.max(from + 1, Math.ceil(Math.log10(most)));
  // By division: 10 ** -2 is not 0.01.
  return Array.from({ length: to - from + 1 }, (_, index) => {
    const power = from + index;
    return power < 0 ? 1 / 10 ** -power : 10 ** power;
  });
}

/** Where a value stands between two places, on a logarithmic scale that has all of the values. */
function scale(values: readonly number[], from: number, to: number): (value: number) => number {
  const least = Math.log10(Math.min(...values));
  const span = Math.log10(Math.max(...values)) - least || 1;
  return (value) => from + ((Math.log10(value) - least) / span) * (to - from);
}
