import { refuse, type Refusal } from "../schemas/outcome.ts";
import { uploadRange } from "../schemas/range.ts";
import { NoBuffer } from "./part-buffers.ts";
import { TooManyParts } from "./part-writer.ts";

/** Bytes that do not belong where the session stands (end-5): the client is told where that is. */
export function outOfTurn(offset: number): Refusal {
  return refuse("RANGE_INVALID", `the session has ${offset} bytes`, {
    Range: uploadRange(offset),
  });
}

/** What is thrown while a body is written, as the client is told it. Nothing of it was kept. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof TooManyParts) return refuse("BLOB_TOO_LARGE", "more than 10,000 parts");
  const what = error instanceof NoBuffer ? error.message : "the body broke off or R2 failed";
  console.warn(JSON.stringify({ event: "upload request failed", error: String(error) }));
  return refuse("OVERLOADED", what, { "Retry-After": "2" });
}
