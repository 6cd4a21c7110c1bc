import { vi } from "vitest";

/** A line of the log. */
export type Line = Readonly<Record<string, unknown>> & {
  readonly level: string;
  readonly event: string;
};

const consoleMethods = ["debug", "info", "log", "warn", "error"] as const;

/** All that is written while something is done, as it is. */
export async function textsOf(work: () => Promise<unknown>): Promise<string[]> {
  const texts: string[] = [];
  const spies = consoleMethods.map((name) =>
    vi.spyOn(console, name).mockImplementation((...words) => void texts.push(words.join(" "))),
  );
  try {
    await work();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return texts;
}

/** The lines of one event that are written while something is done. */
export async function linesOf(event: string, work: () => Promise<unknown>): Promise<Line[]> {
  const texts = await textsOf(work);
  // The runtime warns in words of its own.
  const lines = texts
    .filter((text) => text.startsWith("{"))
    .map((text) => JSON.parse(text) as Line);
  return lines.filter((line) => line.event === event);
}
