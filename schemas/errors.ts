/**
 * Every error that the registry answers: one table, one class. The only writer of an error body is
 * workers/error-response.ts.
 *
 * Codes are those of the OCI distribution spec (section "Error Codes") and, where it has none, of
 * Docker's Registry HTTP API V2 (PAGINATION_NUMBER_INVALID, RANGE_INVALID, UNAVAILABLE, UNKNOWN).
 * PRECONDITION_FAILED, HOST_INVALID, SCOPE_INVALID, PARAMETER_INVALID, COLLECTION_RUNNING,
 * SCRUB_RUNNING and CONFIRMATION_NEEDED are our own: neither knows what they are about.
 * Clients act on them: docker retries UNKNOWN five times and never UNSUPPORTED, containers/image
 * converts the manifest on MANIFEST_INVALID, crane retries BLOB_UPLOAD_INVALID.
 */

interface ErrorRow {
  /** HTTP status of the answer. */
  readonly status: number;
  /** How each message begins: the words that people search for. */
  readonly message: string;
  /** What the reader should do next. */
  readonly advice: string;
}

const errorTable = {
  UNAUTHORIZED: {
    status: 401,
    message: "authentication required",
    advice: "log in with docker login (or the client's own way), as a user that the registry knows",
  },
  BLOB_UNKNOWN: {
    status: 404,
    message: "blob unknown to registry",
    advice: "push the blob to this repository, or mount it from one that has it",
  },
  BLOB_UPLOAD_INVALID: {
    status: 400,
    message: "blob upload invalid",
    advice: "start the upload again with POST /v2/<name>/blobs/uploads/",
  },
  BLOB_UPLOAD_UNKNOWN: {
    status: 404,
    message: "blob upload unknown to registry",
    advice: "start the upload again with POST /v2/<name>/blobs/uploads/",
  },
  BODY_INCOMPLETE: {
    status: 408,
    message: "request body incomplete",
    advice: "send the same request again",
  },
  BODY_TOO_LARGE: {
    status: 413,
    message: "request body too large",
    advice:
      "send at most OCI-Chunk-Max-Length bytes in a PATCH with Content-Range; longshore push and longshore proxy do",
  },
  COLLECTION_RUNNING: {
    status: 409,
    message: "a collection is running",
    advice: "GET /_gc tells how far it is; ask for another one when it has ended",
  },
  CONFIRMATION_NEEDED: {
    status: 400,
    message: "not confirmed",
    advice: "nothing was deleted; send confirm=<host of the registry>, as the message names it",
  },
  DENIED: {
    status: 403,
    message: "requested access to the resource is denied",
    advice: "ask who runs the registry for a rule in its policy that allows it",
  },
  DIGEST_INVALID: {
    status: 400,
    message: "provided digest did not match uploaded content",
    advice: "send sha256:<64 hex digits>, sha512:<128> or blake3:<64> of exactly the bytes sent",
  },
  HOST_INVALID: {
    status: 400,
    message: "invalid Host header",
    advice: "send the name and port of the registry, without a path",
  },
  MANIFEST_BLOB_UNKNOWN: {
    status: 400,
    message: "manifest references a manifest or blob unknown to registry",
    advice: "push config, layers and child manifests to this repository before the manifest",
  },
  MANIFEST_INVALID: {
    status: 400,
    message: "manifest invalid",
    advice: "send an OCI or Docker image manifest or index, with its media type as Content-Type",
  },
  MANIFEST_TOO_LARGE: {
    status: 413,
    message: "manifest too large",
    advice: "a manifest has at most 4 MiB (4194304 bytes)",
  },
  MANIFEST_UNKNOWN: {
    status: 404,
    message: "manifest unknown",
    advice: "check the tag or digest; GET /v2/<name>/tags/list lists the tags",
  },
  NAME_INVALID: {
    status: 400,
    message: "invalid repository name",
    advice:
      "use lower-case letters and digits, separated by one . or _ or __ or dashes, in parts divided by /, at most 255 characters",
  },
  NAME_UNKNOWN: {
    status: 404,
    message: "repository name not known to registry",
    advice: "check the name; GET /v2/_catalog lists the repositories",
  },
  PAGINATION_NUMBER_INVALID: {
    status: 400,
    message: "invalid number of results requested",
    advice: "send n as a whole number from 0",
  },
  PARAMETER_INVALID: {
    status: 400,
    message: "invalid query parameter",
    advice: "send true or false",
  },
  PRECONDITION_FAILED: {
    status: 412,
    message: "precondition failed",
    advice:
      "what the request names is another one by now: read it again (its digest is its ETag) and decide anew",
  },
  RANGE_INVALID: {
    status: 416,
    message: "invalid content range",
    advice: "the Range header of this answer says which bytes the session has: go on after them",
  },
  RANGE_NOT_SATISFIABLE: {
    status: 416,
    message: "requested range not satisfiable",
    advice: "the Content-Range header of this answer says how many bytes the blob has",
  },
  ROUTE_UNKNOWN: {
    status: 404,
    message: "no such route",
    advice: "the API is under /v2/ (OCI distribution spec 1.1)",
  },
  SCOPE_INVALID: {
    status: 400,
    message: "invalid scope",
    advice: "ask for scopes such as repository:team/app:pull,push",
  },
  SCRUB_RUNNING: {
    status: 409,
    message: "a scrub is running",
    advice: "GET /_scrub tells how far it is; DELETE /_scrub has it rest",
  },
  SIZE_INVALID: {
    status: 400,
    message: "provided length did not match content length",
    advice: "send exactly as many bytes as Content-Length and Content-Range announce",
  },
  STORAGE_FULL: {
    status: 507,
    message: "storage is full",
    advice:
      "pulls go on; delete what is not needed and POST /_gc?force=true, or make more room, then push again",
  },
  TAG_INVALID: {
    status: 400,
    message: "invalid tag",
    advice: "use letters, digits, . _ and -, not beginning with . or -, at most 128 characters",
  },
  TAGS_TOO_MANY: {
    status: 414,
    message: "too many tags",
    advice: "push the manifest again with the rest of its tags",
  },
  TOOMANYREQUESTS: {
    status: 429,
    message: "too many failed log-ins",
    advice: "check the password, and try again after the seconds that Retry-After names",
  },
  BLOB_TOO_LARGE: {
    status: 413,
    message: "blob too large",
    advice: "announce the length with Content-Length, or push in chunks with Content-Range",
  },
  UNAVAILABLE: {
    status: 503,
    message: "registry not configured",
    advice: "set what the message names, then start or deploy again",
  },
  OVERLOADED: {
    status: 504,
    message: "registry busy",
    advice: "send the same request again after the seconds that Retry-After names",
  },
  UNKNOWN: {
    status: 500,
    message: "unknown error",
    advice: "send the same request again; if it fails again, look at the registry's logs",
  },
  UNSUPPORTED: {
    status: 405,
    message: "the operation is unsupported",
    advice: "the Allow header, where there is one, names the methods of this route",
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

/** Codes that the wire knows under another name: the spec has one code for two of our statuses. */
const wireCodes: Partial<Record<ErrorCode, string>> = {
  BLOB_TOO_LARGE: "SIZE_INVALID",
  BODY_INCOMPLETE: "SIZE_INVALID",
  // docker and podman try again for minutes what they do not know, and it will not be shorter then.
  BODY_TOO_LARGE: "DENIED",
  MANIFEST_TOO_LARGE: "MANIFEST_INVALID",
  OVERLOADED: "UNAVAILABLE",
  RANGE_NOT_SATISFIABLE: "RANGE_INVALID",
  // docker and podman try again for minutes what they do not know: room is made by people.
  STORAGE_FULL: "DENIED",
  ROUTE_UNKNOWN: "NAME_UNKNOWN",
  TAGS_TOO_MANY: "TAG_INVALID",
};

/** An error that the client is told. `what` says which value was wrong and what is allowed. */
export class RegistryError extends Error {
  readonly code: ErrorCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, what?: string, headers: Readonly<Record<string, string>> = {}) {
    super(what === undefined ? errorTable[code].message : `${errorTable[code].message}: ${what}`);
    this.name = "RegistryError";
    this.code = code;
    this.headers = headers;
  }

  get status(): number {
    return errorTable[this.code].status;
  }

  /** The body of the answer, as the distribution spec has it; `detail` says what to do next. */
  body(): { errors: [{ code: string; message: string; detail: string }] } {
    const code = wireCodes[this.code] ?? this.code;
    return { errors: [{ code, message: this.message, detail: errorTable[this.code].advice }] };
  }
}
