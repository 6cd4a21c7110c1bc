import { headerOf, type RegistryAnswer } from "./registry-answer.ts";

/** What a registry says of the lengths of chunks, in bytes. */
export interface ChunkLimits {
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/** The URL that closes a session. Its query is left as it is: it may be signed. */
export function closing(location: URL, digest: string): URL {
  const url = new URL(location);
  url.search = `${url.search === "" ? "?" : `${url.search}&`}digest=${digest}`;
  return url;
}

/**
 * The Location of an answer, absolute, and where `rebase` has it; undefined if there is none.
 * @param registry the origin that was asked
 */
export function locationIn(
  answer: RegistryAnswer,
  registry: URL,
  rebase: ((location: URL) => URL) | undefined,
): URL | undefined {
  const header = headerOf(answer, "location");
  const location = header === undefined ? null : URL.parse(header, answer.url);
  if (location === null) return undefined;
  // A registry behind what ends TLS may not know of it.
  if (location.host === registry.host) location.protocol = registry.protocol;
  return rebase === undefined ? location : rebase(location);
}

/** How many bytes a session has by the Range header of an answer (`0-1023`, `0--1` for none). */
export function offsetOf(answer: RegistryAnswer): number | undefined {
  const last = /^(?:bytes[ =])?0-(-1|\d+)$/.exec(headerOf(answer, "range") ?? "")?.[1];
  return last === undefined ? undefined : Number(last) + 1;
}

/** The lengths that the answer of a POST allows (OCI-Chunk-Min-Length, OCI-Chunk-Max-Length). */
export function chunkLimits(answer: RegistryAnswer): ChunkLimits {
  const bytes = (name: string) => {
    const value = Number(headerOf(answer, name));
    return Number.isSafeInteger(value) && value > 0 ? value : undefined;
  };
  return { min: bytes("oci-chunk-min-length"), max: bytes("oci-chunk-max-length") };
}
