import type { Digest } from "../schemas/digest.ts";
import type { Manifest } from "../schemas/manifest.ts";
import { refuse, type Refusal } from "../schemas/outcome.ts";
import type { RepositoryName } from "../schemas/reference.ts";

/** How many digests an error names. */
const namedMax = 5;

/**
 * Why a repository can't take a manifest: blobs or children that it does not have, or that it has
 * with another size than their descriptors say. Undefined if all is there. A client that trusts the
 * size would cut what it reads, or wait for more.
 */
export function refuseReferences(
  sql: SqlStorage,
  repository: RepositoryName,
  { blobs, children }: Manifest,
): Refusal | undefined {
  const here = blobs.filter((blob) => !blob.foreign);
  const descriptors = [...here, ...children];
  const missing = new Set<Digest>();
  let wrongSize: string | undefined;
  // A child is a manifest or a blob: BuildKit's cache is an index of layers. A blob is no manifest.
  const rows = sql.exec<{ at: number; blobBytes: number | null; manifestBytes: number | null }>(
    `SELECT json_each.key AS at, links.size AS "blobBytes", manifests.size AS "manifestBytes"
     FROM json_each(?1)
     LEFT JOIN links ON links.digest = value ->> 0 AND NOT links.lost
     LEFT JOIN manifests ON manifests.digest = value ->> 0 AND json_each.key >= ?2
     WHERE coalesce(links.size, manifests.size, -1) <> value ->> 1`,
    JSON.stringify(descriptors.map(({ digest, size }) => [digest, size])),
    here.length,
  );
  for (const { at, blobBytes, manifestBytes } of rows) {
    const descriptor = descriptors[at];
    if (descriptor === undefined) continue;
    const { digest, size, where } = descriptor;
    const bytes = blobBytes ?? manifestBytes;
    const kind = blobBytes === null ? "manifest" : "blob";
    if (bytes === null) missing.add(digest);
    else wrongSize ??= `${where} has size ${size}, the ${kind} ${digest} has ${bytes} bytes`;
  }
  if (missing.size > 0) {
    const more = missing.size > namedMax ? ` and ${missing.size - namedMax} more` : "";
    const named = [...missing].slice(0, namedMax).join(", ");
    return refuse("MANIFEST_BLOB_UNKNOWN", `${named}${more} not in ${repository}`);
  }
  return wrongSize === undefined ? undefined : refuse("MANIFEST_INVALID", wrongSize);
}
