import { InvalidArgumentError } from "commander";

const units: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
};

/**
 * The bytes that an option's value names: `16MiB`, `100MB`, `8388608`.
 * @throws InvalidArgumentError
 */
export function parseByteSize(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = units[unit.toLowerCase()];
  if (number === "" || factor === undefined) {
    throw new InvalidArgumentError("give bytes, or a number with KiB, MiB, GiB, kB, MB or GB.");
  }
  return Math.floor(Number(number) * factor);
}
