/** What each route is asked for, in words. HEAD has words of its own where it is another question. */
const actions: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/v2/": { GET: "ping" },
  "/v2/:name/blobs/uploads/": { POST: "start upload" },
  "/v2/:name/blobs/uploads/:session": {
    PATCH: "append to upload",
    PUT: "push blob",
    GET: "read upload",
    DELETE: "cancel upload",
  },
  "/v2/:name/blobs/:digest": { GET: "pull blob", HEAD: "check blob", DELETE: "delete blob" },
  "/v2/:name/manifests/:reference": {
    PUT: "push manifest",
    GET: "pull manifest",
    HEAD: "check manifest",
    DELETE: "delete manifest",
  },
  "/v2/:name/tags/list": { GET: "list tags" },
  "/v2/:name/referrers/:digest": { GET: "list referrers" },
  "/v2/_catalog": { GET: "list repositories" },
  "/_catalog": { GET: "list repositories" },
  "/_stats": { GET: "read statistics" },
  "/_gc": { GET: "read collection", POST: "collect" },
  "/_empty": { POST: "empty" },
  "/_scrub": { GET: "read scrub", POST: "scrub", DELETE: "stop scrub" },
  "/token": { GET: "log in", POST: "log in" },
  "/.well-known/jwks.json": { GET: "read keys" },
  "/healthz": { GET: "ask for health" },
  "/readyz": { GET: "ask for health" },
  "/metrics": { GET: "read metrics" },
};

const writes: ReadonlySet<string> = new Set([
  "push blob",
  "mount blob",
  "push manifest",
  "delete blob",
  "delete tag",
  "delete manifest",
  "cancel upload",
  "collect",
  "empty",
  "scrub",
  "stop scrub",
]);

/** What a request is for, as far as its route and its query say. */
export interface Asked {
  readonly route: string;
  readonly method: string;
  /** True if the path names a tag. */
  readonly isTag: boolean;
  /** The query, which says what a POST of an upload is for. */
  readonly query: (name: string) => string | undefined;
}

/** What was asked for, in words; undefined for a method that the route does not have. */
export function actionOf({ route, method, isTag, query }: Asked): string | undefined {
  const words = actions[route];
  const action = words?.[method] ?? (method === "HEAD" ? words?.["GET"] : undefined);
  if (action === "delete manifest" && isTag) return "delete tag";
  if (action === "collect" && query("dry-run") === "true") return "plan collection";
  if (action !== "start upload") return action;
  if (query("mount") !== undefined) return "mount blob";
  return query("digest") === undefined ? action : "push blob";
}

/** True if an answer of this status means that the action changed what is stored. */
export function isWritten(action: string, status: number): boolean {
  // 202 to a mount is the beginning of an upload: nothing was mounted.
  if (action === "mount blob") return status === 201;
  return writes.has(action) && status >= 200 && status < 300;
}
