import { Hono } from "hono";
import { RegistryError } from "../schemas/errors.ts";
import { boundedEnv } from "../stores/bounded-env.ts";
import { drain, drainBytesMax } from "../streams/body.ts";
import { guarded, type Need } from "./access/guard.ts";
import { configured } from "./configured.ts";
import type { RegistryHono, RouteHandler } from "./context.ts";
import { allowOrigins } from "./cors.ts";
import { errorResponse } from "./error-response.ts";
import { observe } from "./observed.ts";
import { routePath } from "./route-path.ts";
import { base } from "./routes/base.ts";
import { deleteBlob, readBlob } from "./routes/blobs.ts";
import { emptyRegistry } from "./routes/emptying.ts";
import { healthPath, isAlive, isReady, readyPath } from "./routes/health.ts";
import { listReferrers, listRepositories, listTags } from "./routes/lists.ts";
import {
  beginCollection,
  beginScrub,
  collectionStatus,
  pauseScrub,
  scrubStatus,
} from "./routes/maintenance.ts";
import { deleteManifest, getManifest, putManifest } from "./routes/manifests.ts";
import { readMetrics } from "./routes/metrics.ts";
import { statistics } from "./routes/statistics.ts";
import { getToken, listPublicKeys, postToken } from "./routes/tokens.ts";
import {
  appendUpload,
  cancelUpload,
  commitUpload,
  startUpload,
  uploadStatus,
} from "./routes/uploads.ts";

export { BlobIndex } from "../durable-objects/blob-index.ts";
export { Catalog } from "../durable-objects/catalog.ts";
export { Maintenance } from "../durable-objects/maintenance.ts";
export { Repository } from "../durable-objects/repository.ts";
export { UploadSession } from "../durable-objects/upload-session.ts";

/** What a route's caller has to be allowed, and what answers it then. */
type Route = readonly [Need, RouteHandler];

/** Every route, in the order of a push and then of a pull. HEAD is answered by what answers GET. */
export const routes: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  "/v2/": { GET: ["base", base] },
  "/v2/:name/blobs/uploads/": { POST: ["push", startUpload] },
  "/v2/:name/blobs/uploads/:session": {
    PATCH: ["session", appendUpload],
    PUT: ["session", commitUpload],
    GET: ["session", uploadStatus],
    DELETE: ["session", cancelUpload],
  },
  "/v2/:name/blobs/:digest": { GET: ["read", readBlob], DELETE: ["delete", deleteBlob] },
  "/v2/:name/manifests/:reference": {
    PUT: ["push", putManifest],
    GET: ["read", getManifest],
    DELETE: ["delete", deleteManifest],
  },
  "/v2/:name/tags/list": { GET: ["pull", listTags] },
  "/v2/:name/referrers/:digest": { GET: ["pull", listReferrers] },
  "/v2/_catalog": { GET: ["catalog", listRepositories] },
  "/_catalog": { GET: ["catalog", listRepositories] },
  "/token": { GET: ["public", getToken], POST: ["public", postToken] },
  "/.well-known/jwks.json": { GET: ["public", listPublicKeys] },
  "/_stats": { GET: ["administer", statistics] },
  "/_gc": { GET: ["administer", collectionStatus], POST: ["administer", beginCollection] },
  "/_empty": { POST: ["administer", emptyRegistry] },
  "/_scrub": {
    GET: ["administer", scrubStatus],
    POST: ["administer", beginScrub],
    DELETE: ["administer", pauseScrub],
  },
  [healthPath]: { GET: ["public", isAlive] },
  [readyPath]: { GET: ["public", isReady] },
  "/metrics": { GET: ["base", readMetrics] },
};

const app = new Hono<RegistryHono>({ getPath: routePath });

app.onError((error, context) => errorResponse(error, context.var.requestId));
app.notFound((context) => {
  throw new RegistryError("ROUTE_UNKNOWN", routePath(context.req.raw).slice(0, 300));
});
app.use(async (context, next) => {
  context.env = boundedEnv(context.env);
  const { configuration, access, problems } = configured(context.env);
  context.set("configuration", configuration);
  context.set("access", access);
  context.set("problems", problems);
  await observe(context, routes, next);
});
app.use(async (context, next) => {
  await next();
  context.res.headers.set("Docker-Distribution-API-Version", "registry/2.0");
  const { raw } = context.req;
  // A client that still sends reads no answer. One that waits for a 100 is not asked to begin.
  if (context.req.header("Expect") === undefined || raw.bodyUsed) {
    await drain(raw.body, drainBytesMax);
  }
});
app.use(async (context, next) => {
  const host = context.req.header("Host") ?? "";
  // The runtime puts the header unchecked before the path: with a slash in it, it would be one.
  if (!/^[\w.:[\]-]*$/.test(host))
    throw new RegistryError("HOST_INVALID", `"${host.slice(0, 100)}"`);
  await next();
});
app.use(async (context, next) => {
  await next();
  const { configuration } = context.var;
  const location = context.res.headers.get("Location");
  // Relative unless configured: behind a proxy, the origin of the request is not the client's.
  if (location?.startsWith("/") && configuration.url !== undefined) {
    context.res.headers.set("Location", configuration.url + location);
  }
});
app.use(allowOrigins);
app.use(async (context, next) => {
  const { problems } = context.var;
  // Who is alive says so, whatever is wrong with it.
  if (context.req.path === healthPath) return next();
  if (problems.length > 0) throw new RegistryError("UNAVAILABLE", problems.join("; "));
  await next();
});

for (const [path, handlers] of Object.entries(routes)) {
  for (const [method, [need, handler]] of Object.entries(handlers)) {
    app.on(method, path, guarded(need, handler));
  }
  const allowed = Object.keys(handlers).flatMap((method) =>
    method === "GET" ? ["GET", "HEAD"] : [method],
  );
  const Allow = [...allowed, "OPTIONS"].join(", ");
  app.options(path, () => new Response(null, { status: 204, headers: { Allow } }));
  app.all(path, (context) => {
    throw new RegistryError("UNSUPPORTED", `${context.req.method} on this route`, { Allow });
  });
}

export default app satisfies ExportedHandler<Env>;
