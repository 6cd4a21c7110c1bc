import type { RegistryContext } from "./context.ts";

/** The origin that clients know the registry by. */
export function originOf({ req, var: { configuration } }: RegistryContext): string {
  if (configuration.url !== undefined) return configuration.url;
  const forwarded = req.header("X-Forwarded-Proto")?.split(",", 1)[0]?.trim();
  const isForwarded = forwarded === "http" || forwarded === "https";
  const scheme = isForwarded ? forwarded : req.url.slice(0, req.url.indexOf(":"));
  return `${scheme}://${req.header("Host") ?? URL.parse(req.url)?.host}`;
}
