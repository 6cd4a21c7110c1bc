/**
 * The path by which Hono's route table is asked, from the raw path of a request.
 *
 * Repository names have slashes and may contain the words of routes (`team/manifests`,
 * `x/blobs/uploads`), so a path is read from its end: the last segments say what is asked for, what
 * is before them is the name. The name is made one segment, and escaped once more, so that
 * `%2F` in it is still `%2F` when the name's parser refuses it. An escape of a character that needs
 * none is that character (RFC 3986 section 6.2.2.2), and one slash at the end says nothing.
 */
export function routePath(request: Request): string {
  const { url } = request;
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const path = url.slice(start).replace(/[?#].*$/s, "");
  const plain = withoutNeedlessEscapes(
    path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path,
  );
  if (!plain.startsWith("/v2/")) return plain === "/v2" ? "/v2/" : plain;
  return namedRoute(plain.slice("/v2/".length)) ?? plain;
}

function withoutNeedlessEscapes(path: string): string {
  return path.replaceAll(/%[0-9a-f]{2}/gi, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return /[\w.~-]/.test(character) ? character : escape;
  });
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
