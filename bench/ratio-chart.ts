import { sayMachine } from "./machine.ts";
import type { Results } from "./results.ts";
import { colors, heading, line, picture, rectangle, text } from "./svg.ts";
import { sayRatio, sayRounds } from "./table.ts";

const width = 960;
const labelWidth = 470;
const barHeight = 14;
const rowHeight = 22;
const top = 92;
const right = 60;

/** Ratios are drawn from here to there at least, and cut off behind this. */
const leastSpan = 2;
const mostSpan = 32;

/**
 * A bar for each row that ours and the peer have: to the right of the line where ours is better, to
 * the left where the peer is. Twice as good is as long as half as good.
 */
export function ratioChart(results: Results, peer: string): string {
  const bars = results.rows
    .filter(({ growth }) => growth === undefined)
    .flatMap((row) => {
      const ratio = row.ratios[peer];
      return ratio === undefined ? [] : [{ name: row.name, ratio }];
    });
  const left = Math.ceil(
    -Math.min(-Math.log2(leastSpan), ...bars.map((bar) => powerOf(bar.ratio))),
  );
  const far = Math.ceil(Math.max(Math.log2(leastSpan), ...bars.map((bar) => powerOf(bar.ratio))));
  const step = (width - labelWidth - right) / (left + far);
  const one = labelWidth + left * step;
  const bottom = top + bars.length * rowHeight;
  const height = bottom + 34;
  const title = `Longshore and ${peer}: how many times better`;
  return picture(width, height, title, [
    ...heading(title, [
      sayMachine(results.machine),
      `${sayRounds(results.rounds)}, median of the ratios, ${results.date.slice(0, 10)}; right of 1×: Longshore is better`,
    ]),
    ...ticks(-left, far).flatMap((power) => {
      const x = one + power * step;
      return [
        line(x, top - 8, x, bottom, power === 0 ? colors.text : colors.frame),
        text(x, bottom + 16, power < 0 ? `1/${2 ** -power}×` : `${2 ** power}×`, {
          anchor: "middle",
          size: 11,
          color: colors.faint,
        }),
      ];
    }),
    ...bars.flatMap(({ name, ratio }, index) => {
      const y = top + index * rowHeight;
      const end = one + powerOf(ratio) * step;
      const isAhead = ratio >= 1;
      return [
        text(labelWidth - 40, y + 11, name, { anchor: "end", size: 12 }),
        rectangle(
          Math.min(one, end),
          y,
          Math.max(1, Math.abs(end - one)),
          barHeight,
          isAhead ? colors.ahead : colors.behind,
        ),
        text(isAhead ? end + 5 : end - 5, y + 11, sayRatio(ratio), {
          anchor: isAhead ? "start" : "end",
          size: 11,
          isBold: true,
        }),
      ];
    }),
  ]);
}

/** How often a ratio doubles one, within what is drawn. */
function powerOf(ratio: number): number {
  return Math.log2(Math.min(mostSpan, Math.max(1 / mostSpan, ratio)));
}

function ticks(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
