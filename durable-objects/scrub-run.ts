import type { Digest } from "../schemas/digest.ts";
import { catalogName } from "../schemas/storage-keys.ts";
import type { DamagedBlob } from "./blob-verification.ts";

/** Where a scrub stands, and what it found until there. */
export interface ScrubState {
  readonly stage: "running" | "paused" | "done";
  /** Bytes that are read in a second, at most. */
  readonly rate: number;
  /** The index that is read, and the digest in it behind which to go on. */
  readonly index: string;
  readonly last: Digest | undefined;
  readonly checkedLayers: number;
  readonly checkedBytes: number;
  readonly damagedLayers: number;
  /** At most 200 of them. */
  readonly damaged: readonly DamagedBlob[];
  readonly startedMs: number;
  readonly finishedMs: number | null;
}

/** The bytes of one step, but at least one blob: what is read before the rate is looked at. */
const stepSeconds = 1;
const reportedMax = 200;

export function beginScrub(rate: number, nowMs: number): ScrubState {
  return {
    stage: "running",
    rate,
    index: "",
    last: undefined,
    checkedLayers: 0,
    checkedBytes: 0,
    damagedLayers: 0,
    damaged: [],
    startedMs: nowMs,
    finishedMs: null,
  };
}

/**
 * Reads some of the blobs again and hashes them; answers where it stands then, and how many bytes it
 * read. @throws what R2 throws: the step is to be repeated
 */
export async function scrubStep(
  env: Env,
  state: ScrubState,
): Promise<{ next: ScrubState; bytes: number }> {
  const indexes = await env.CATALOG.getByName(catalogName).indexes();
  const index = indexes.find((name) => name >= state.index);
  if (index === undefined) {
    return { next: { ...state, stage: "done", finishedMs: Date.now() }, bytes: 0 };
  }
  const last = index === state.index ? state.last : undefined;
  const stub = env.BLOB_INDEX.getByName(index);
  const verified = await stub.verify(last, state.rate * stepSeconds);
  const next: ScrubState = {
    ...state,
    // No name stands between one and itself with a tilde: behind this index.
    index: verified.isEnd ? `${index}~` : index,
    last: verified.isEnd ? undefined : verified.last,
    checkedLayers: state.checkedLayers + verified.layers,
    checkedBytes: state.checkedBytes + verified.bytes,
    damagedLayers: state.damagedLayers + verified.damaged.length,
    damaged: [...state.damaged, ...verified.damaged].slice(0, reportedMax),
  };
  return { next, bytes: verified.bytes };
}
