import type { Upload as UploadStep } from "./command.ts";
import { type Upload, type State, change } from "./state.ts";
import { type Circumstances, type Outcome, type Thread, linkedAt, refusedByForce } from "./step.ts";

/** REGISTRY_UPLOAD_TIMEOUT, and REGISTRY_UPLOAD_CLEANUP_INTERVAL to which it is rounded up. */
const timeoutMs = 3_600_000;
export const intervalMs = 300_000;
const sessionMsMax = 6 * 86_400_000;

export function gone({ uploads }: State, slot: number): Upload {
  const upload = uploads[slot];
  if (upload === undefined) throw new Error(`no upload ${slot}`);
  return { ...upload, stage: "gone" };
}

/** Nobody touched it for its timeout. */
export function isOver(upload: Upload | undefined, nowMs: number): boolean {
  return upload?.touchedMs !== undefined && upload.touchedMs + timeoutMs <= nowMs;
}

export function uploadOutcomes(
  state: State,
  operation: UploadStep,
  circumstances: Circumstances,
): Outcome[] {
  const { nowMs, isForced } = circumstances;
  const { slot, repository, blob } = operation;
  const begun: Upload = { repository, blob, startedMs: nowMs, stage: "open" };
  const set = (before: State, upload: Upload): State =>
    change(before, (draft) => {
      draft.uploads[slot] = upload;
    });
  if (operation.do === "start") return [{ state: set(state, begun), answer: "202" }];
  const upload = state.uploads[slot];
  if (upload === undefined) {
    const step = (before: State) => uploadOutcomes(before, operation, circumstances);
    return [{ state: set(state, begun), rest: { name: operation.do, step } }];
  }
  const now = (before: State, stage: Upload["stage"]): State =>
    set(before, { ...upload, touchedMs: nowMs, stage });
  const unknown = {
    state: set(state, { ...upload, stage: "gone" }),
    answer: "404 BLOB_UPLOAD_UNKNOWN",
  };
  const { stage, startedMs, touchedMs } = upload;
  const endMs = startedMs + (touchedMs === undefined ? timeoutMs : sessionMsMax);
  if (nowMs > endMs || stage === "gone") return [unknown];
  // An alarm ends what is over, and until it has run the session goes on.
  const also = isOver(upload, nowMs) ? [unknown] : [];
  if (stage === "closed" && operation.do === "close") return [{ state, answer: "201" }, ...also];
  if (stage !== "open") return [{ state, answer: "404 BLOB_UPLOAD_UNKNOWN" }, ...also];
  if (operation.do === "append") return [{ state: now(state, "open"), answer: "202" }, ...also];
  if (operation.do === "cancel")
    return [{ state: now(state, "cancelled"), answer: "204" }, ...also];
  const { state: linked } = linkedAt(state, upload.repository, upload.blob, nowMs);
  const close: Thread = {
    name: "close",
    step: (before) => [{ state: now(before, "closed"), answer: "201" }],
  };
  return [{ state: linked, rest: close }, ...refusedByForce(state, isForced), ...also];
}
