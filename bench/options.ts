import { tmpdir } from "node:os";
import { parseArgs } from "node:util";

/** What was asked for on the command line. */
export interface Options {
  readonly isFull: boolean;
  readonly isSmoke: boolean;
  readonly only: RegExp | undefined;
  readonly peers: readonly string[];
  readonly urls: readonly string[];
  readonly rounds: number;
  readonly minutes: number;
  /** Below which the peers store, in a folder that goes with them. */
  readonly storage: string;
  /** Where the results go; nothing: where the repository has them, if the run is a whole one. */
  readonly out: string | undefined;
}

/** What `--help` prints. */
export const usage = `npm run bench -- [OPTION]…

  --only PATTERN     the scenarios alone whose "suite: name" matches, as a regular expression
  --peers NAME,…     these alone: Longshore, distribution, docker-registry, client (alone)
  --url NAME=URL     one more registry, that runs already, besides --peers; may be repeated
  --rounds N         5 unless given
  --minutes N        nothing begins that would end later; 9.5 unless given, with --full 120
  --full             also layers of 4 and 10 GiB, images of 100 MB, 100,000 tags, 10,000 repositories
  --smoke            as little as possible, one round: shows that all of it runs
  --storage FOLDER   on the disk to measure; the system's folder for temporary files unless given
  --out FOLDER       where the results go; unless given, a run of everything writes
                     docs/bench.json, docs/bench.md and its two pictures
`;

/** Parses the command line. Throws with what is wrong with it. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      peers: { type: "string", default: "" },
      url: { type: "string", multiple: true, default: [] },
      rounds: { type: "string" },
      minutes: { type: "string" },
      full: { type: "boolean", default: false },
      smoke: { type: "boolean", default: false },
      storage: { type: "string", default: tmpdir() },
      out: { type: "string" },
    },
  });
  return {
    isFull: values.full,
    isSmoke: values.smoke,
    only: values.only === undefined ? undefined : new RegExp(values.only, "i"),
    peers: values.peers.split(",").filter((name) => name !== ""),
    urls: values.url,
    rounds: positive("rounds", values.rounds ?? (values.smoke ? "1" : "5")),
    minutes: positive("minutes", values.minutes ?? (values.full ? "120" : "9.5")),
    storage: values.storage,
    out: values.out,
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} is "${text}": it takes a number above 0`);
  return value;
}
