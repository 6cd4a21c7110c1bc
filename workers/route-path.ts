/**
 * The path by which Hono's route table is asked, from the raw path of a request.
 *
 * Repository names have slashes and may contain the words of routes (`team/manifests`,
 * `x/blobs/uploads`), so a path is read from its end: the last segments say what is asked for, what
 * is before them is the name. The name is made one segment, and escaped once more, so that
 * `%2F` in it is still `%2F` when the name's parser refuses it.
 */
export function routePath(request: Request): string {
  const { url } = request;
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.search(/[?#]/);
  const path = url.slice(start, end === -1 ? undefined : end);
  if (!path.startsWith("/v2/")) return path === "/v2" ? "/v2/" : path;
  return namedRoute(path.slice("/v2/".length)) ?? path;
}

function namedRoute(path: string): string | undefined {
  const segments = path.split("/");
  const last = segments.at(-1) ?? "";
  const noun = segments.at(-2);
  if (noun === "uploads" && segments.at(-3) === "blobs") {
    return named(segments.slice(0, -3), `blobs/uploads/${last}`);
  }
  if (noun === "blobs" && last === "uploads") return named(segments.slice(0, -2), "blobs/uploads/");
  if (noun === "tags" && last === "list") return named(segments.slice(0, -2), "tags/list");
  if (noun === "blobs" || noun === "manifests" || noun === "referrers") {
    return named(segments.slice(0, -2), `${noun}/${encodeURIComponent(last)}`);
  }
  return undefined;
}

function named(name: readonly string[], rest: string): string | undefined {
  return name.length === 0 ? undefined : `/v2/${encodeURIComponent(name.join("/"))}/${rest}`;
}
