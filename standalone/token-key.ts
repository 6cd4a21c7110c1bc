import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The key that signs this machine's tokens, PKCS #8 in PEM, for whoever configures none: made at the
 * first start and kept in the storage folder, so that who is logged in stays so.
 * @throws what the file system throws
 */
export function keptTokenKey(storagePath: string): string {
  const path = join(storagePath, "token-key.pem");
  if (!existsSync(path)) makeKey(storagePath, path);
  return readFileSync(path, "utf8");
}

/** The file is there whole or not at all, should the machine stop meanwhile. */
function makeKey(storagePath: string, path: string): void {
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  mkdirSync(storagePath, { recursive: true, mode: 0o700 });
  const unfinishedPath = `${path}.${process.pid}`;
  // Synced, or a power cut could leave an empty file under the name.
  writeFileSync(unfinishedPath, privateKey, { mode: 0o600, flush: true });
  renameSync(unfinishedPath, path);
}
