import { refuse, type Refusal } from "../schemas/outcome.ts";
import { uploadRange } from "../schemas/range.ts";
import { isStorageFull } from "../stores/storage-full.ts";
import { log } from "../telemetry/log.ts";
import { NoBuffer } from "./part-buffers.ts";
import { BrokenBody, TooManyParts } from "./part-writer.ts";

/** R2's error for a multipart upload that there is not, or not any more. */
const unknownUpload = /\(10024\)/;

/** True if R2 has no such multipart upload: its parts are gone. */
export function isUnknownUpload(error: unknown): boolean {
  return unknownUpload.test(String(error));
}

/** Bytes that do not belong where the session stands (end-5): the client is told where that is. */
export function outOfTurn(offset: number, why: string): Refusal {
  return refuse("RANGE_INVALID", `${why}, and the session has ${offset} bytes`, {
    Range: uploadRange(offset),
  });
}

/** What is thrown while a body is written, as the client is told it. Nothing of it was kept. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof TooManyParts) return refuse("BLOB_TOO_LARGE", "more than 10,000 parts");
  if (error instanceof BrokenBody) return refuse("BODY_INCOMPLETE", "it broke off");
  if (isStorageFull(error)) return refuse("STORAGE_FULL", "there is no room for the blob");
  if (isUnknownUpload(error)) {
    return refuse("BLOB_UPLOAD_UNKNOWN", "R2 has ended it, its bytes are gone: begin anew");
  }
  const what = error instanceof NoBuffer ? error.message : "R2 failed";
  log("warn", "upload request failed", { error: String(error) });
  return refuse("OVERLOADED", what, { "Retry-After": "2" });
}
