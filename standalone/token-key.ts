import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The key that signs this machine's tokens, PKCS #8 in PEM, for whoever configures none: made at the
 * first start and kept in the storage folder, so that who is logged in stays so.
 * @throws what the file system throws
 */
export function keptTokenKey(storagePath: string): string {
  const path = join(storagePath, "token-key.pem");
  mkdirSync(storagePath, { recursive: true });
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  try {
    writeFileSync(path, privateKey, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  return readFileSync(path, "utf8");
}
