import { printable } from "./printable.ts";

/** Where a command writes: what it found to `out`, what it does to `progress`. */
export interface Output {
  /** With `--json`, one JSON value and nothing else goes to standard output. */
  readonly isJson: boolean;
  /** A line for people, to standard output; nothing with `--json`. */
  line(text: string): void;
  /** A line about what happens meanwhile, to standard error. */
  progress(text: string): void;
  /** The command's result, to standard output; nothing without `--json`. */
  result(value: unknown): void;
}

/** The output of a command that runs in a terminal or a script. */
export function processOutput(isJson: boolean): Output {
  return {
    isJson,
    line: (text) => void (isJson || process.stdout.write(`${printable(text)}\n`)),
    progress: (text) => void process.stderr.write(`${printable(text)}\n`),
    result: (value) => void (isJson && process.stdout.write(`${JSON.stringify(value)}\n`)),
  };
}
