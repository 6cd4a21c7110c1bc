import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import type { RegistryHono } from "./context.ts";

/** What pages of other origins may read of an answer, beside its body. */
const exposedHeaders = [
  "Accept-Ranges",
  "Content-Range",
  "Docker-Content-Digest",
  "ETag",
  "Link",
  "Location",
  "OCI-Chunk-Max-Length",
  "OCI-Chunk-Min-Length",
  "OCI-Filters-Applied",
  "OCI-Subject",
  "OCI-Tag",
  "Range",
  "Warning",
  "WWW-Authenticate",
  "X-Request-Id",
];

/** How long a browser remembers what it may send. */
const preflightSeconds = 3600;

/**
 * Lets pages of the origins in REGISTRY_CORS_ORIGINS use the registry from a browser (the Fetch
 * standard's CORS protocol); origins that are listed may send credentials, any origin may not.
 * Preflights carry no credentials, so they are answered before access is decided.
 */
export const allowOrigins: MiddlewareHandler<RegistryHono> = async (context, next) => {
  const { corsOrigins } = context.var.configuration;
  if (corsOrigins !== "*" && corsOrigins.length === 0) return next();
  const isPreflight = context.req.header("Access-Control-Request-Method") !== undefined;
  if (context.req.method === "OPTIONS" && !isPreflight) return next();
  return cors({
    origin: corsOrigins === "*" ? "*" : [...corsOrigins],
    allowMethods: ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"],
    credentials: corsOrigins !== "*",
    exposeHeaders: exposedHeaders,
    maxAge: preflightSeconds,
  })(context, next);
};
