import type { ErrorCode } from "../schemas/errors.ts";

/** What an operation is asked of: a Durable Object, R2, or KV. */
export type OperationKind = "objects" | "r2" | "kv";

/** How many operations a request asked of stores and objects until it was answered. */
export type OperationCounts = Record<OperationKind, number>;

/** What is known of a request that was answered. Nothing in it is a secret. */
export interface RequestReport {
  readonly requestId: string;
  /** The subject of the caller, or `anonymous`. */
  readonly who: string;
  /** The repository, where the path names one by a good name. */
  readonly repository: string | undefined;
  /** What was asked for, in words, where a route answers it. */
  readonly action: string | undefined;
  /** One of the methods that HTTP and WebDAV know, or `other`. */
  readonly method: string;
  /** The pattern in the route table, or `none`. */
  readonly route: string;
  readonly status: number;
  /** The row in the table of errors. */
  readonly code: ErrorCode | undefined;
  /** Bytes of the body that came; undefined where nobody said or counted. */
  readonly bytesIn: number | undefined;
  /** Bytes of the body that the answer announces; undefined where it announces none. */
  readonly bytesOut: number | undefined;
  /** Milliseconds from the request's head to the answer's. */
  readonly durationMs: number;
  readonly operations: OperationCounts;
}
