import { execFile } from "node:child_process";
import { programs } from "./programs.ts";

/** What the load client is asked to do; `bench/load/job.go` says what each field means. */
export interface Job {
  readonly task:
    | "push-layers"
    | "pull-layer"
    | "images"
    | "images-again"
    | "fill"
    | "manifests"
    | "list"
    | "request";
  readonly repository?: string;
  readonly clients?: number;
  readonly seed?: number;
  readonly oldSeed?: number;
  readonly bytes?: number;
  readonly way?: "stream" | "whole" | "chunks";
  readonly chunkBytes?: number;
  readonly count?: number;
  readonly pushes?: number;
  readonly existing?: number;
  readonly cold?: boolean;
  readonly verify?: boolean;
  readonly byDigest?: boolean;
  readonly digest?: string;
  readonly method?: "GET" | "HEAD" | "POST";
  readonly path?: string;
  readonly status?: number;
}

/** What it measured; all times are in seconds. */
export interface Figures {
  readonly seconds: number;
  readonly count: number;
  readonly bytes: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuSeconds: number;
  readonly timedCpuSeconds: number;
  readonly digests?: readonly string[];
}

/** How long a job may take. */
const jobMsMax = 10 * 60 * 1000;

/** Has the load client do one job. Rejects with what it said if any answer was wrong. */
export async function runLoad(address: string, job: Job): Promise<Figures> {
  return new Promise((resolve, reject) => {
    const client = execFile(
      programs.load,
      ["run"],
      { timeout: jobMsMax, maxBuffer: 1 << 24 },
      (error, output, said) => {
        if (error === null) resolve(JSON.parse(output) as Figures);
        else reject(new Error(said.trim() || error.message));
      },
    );
    client.stdin?.end(JSON.stringify({ ...job, address }));
  });
}
