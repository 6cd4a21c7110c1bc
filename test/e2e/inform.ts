/** Lines for whoever reads the run's output: what was run, and what was measured. */

/** Prints a line, past vitest's own frame around everything that a test prints. */
export function inform(line: string): void {
  process.stdout.write(`${line}\n`);
}
