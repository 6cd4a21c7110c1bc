import { Hono } from "hono";
import { parseConfiguration } from "../schemas/configuration.ts";
import { RegistryError } from "../schemas/errors.ts";
import { decideAccess } from "./access/decision.ts";
import type { RegistryHono, RouteHandler } from "./context.ts";
import { allowOrigins } from "./cors.ts";
import { errorResponse } from "./error-response.ts";
import { routePath } from "./route-path.ts";
import { base } from "./routes/base.ts";
import { deleteBlob, readBlob } from "./routes/blobs.ts";
import { listReferrers, listRepositories, listTags } from "./routes/lists.ts";
import { deleteManifest, getManifest, putManifest } from "./routes/manifests.ts";
import {
  appendUpload,
  cancelUpload,
  commitUpload,
  startUpload,
  uploadStatus,
} from "./routes/uploads.ts";

export { BlobIndex } from "../durable-objects/blob-index.ts";
export { Catalog } from "../durable-objects/catalog.ts";
export { Repository } from "../durable-objects/repository.ts";
export { UploadSession } from "../durable-objects/upload-session.ts";

/** Every route, in the order of a push and then of a pull. HEAD is answered by what answers GET. */
const routes: Readonly<Record<string, Readonly<Record<string, RouteHandler>>>> = {
  "/v2/": { GET: base },
  "/v2/:name/blobs/uploads/": { POST: startUpload },
  "/v2/:name/blobs/uploads/:session": {
    PATCH: appendUpload,
    PUT: commitUpload,
    GET: uploadStatus,
    DELETE: cancelUpload,
  },
  "/v2/:name/blobs/:digest": { GET: readBlob, DELETE: deleteBlob },
  "/v2/:name/manifests/:reference": {
    PUT: putManifest,
    GET: getManifest,
    DELETE: deleteManifest,
  },
  "/v2/:name/tags/list": { GET: listTags },
  "/v2/:name/referrers/:digest": { GET: listReferrers },
  "/v2/_catalog": { GET: listRepositories },
  "/_catalog": { GET: listRepositories },
};

const app = new Hono<RegistryHono>({ getPath: routePath });

app.onError(errorResponse);
app.notFound((context) => {
  throw new RegistryError("ROUTE_UNKNOWN", new URL(context.req.url).pathname.slice(0, 300));
});
app.use(async (context, next) => {
  await next();
  context.res.headers.set("Docker-Distribution-API-Version", "registry/2.0");
});
app.use(async (context, next) => {
  const { configuration, problems } = parseConfiguration({ ...context.env });
  context.set("configuration", configuration);
  context.set("problems", problems);
  await next();
  const location = context.res.headers.get("Location");
  // Relative unless configured: behind a proxy, the origin of the request is not the client's.
  if (location !== null && configuration.url !== undefined) {
    context.res.headers.set("Location", configuration.url + location);
  }
});
app.use(allowOrigins);
app.use(async (context, next) => {
  decideAccess(context.var.problems);
  await next();
});

for (const [path, handlers] of Object.entries(routes)) {
  for (const [method, handler] of Object.entries(handlers)) app.on(method, path, handler);
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
