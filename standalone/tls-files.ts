import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { errorCode } from "./error-code.ts";

/** The variables that name the files. */
export const tlsVariables = { certificate: "REGISTRY_TLS_CERT", key: "REGISTRY_TLS_KEY" } as const;

/** What HTTPS is served with: paths, absolute, of files in PEM. */
export interface TlsFiles {
  /** The certificate of this host, and behind it those of its issuers. */
  readonly certificatePath: string;
  readonly keyPath: string;
  /** When clients stop to take the certificate. */
  readonly expiresMs: number;
}

/** The files, or, for each that can't be used, its variable, its path and what to do. */
type ParsedTlsFiles =
  | { readonly tls: TlsFiles | undefined; readonly problems: readonly [] }
  | { readonly tls: undefined; readonly problems: readonly string[] };

/** Why a file is of no use, as the end of a sentence that begins with its variable. */
class WrongFile extends Error {}

/** The runtime's TLS takes these keys, and no others. */
const rsaBitsMin = 2048;
const rsaBitsMax = 4096;
const namedCurves: readonly unknown[] = ["prime256v1", "secp384r1"];
const allowedKeys = `allowed is RSA of ${rsaBitsMin} to ${rsaBitsMax} bits, P-256, P-384 or Ed25519`;

const pemCertificates = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Checks that these two files are a certificate and its key before anything listens. Both unset is
 * plain HTTP. No problem tells anything of a key, not even where it was given in the place of its path.
 */
export function parseTlsFiles(
  certificateFile: string | undefined,
  keyFile: string | undefined,
): ParsedTlsFiles {
  if (certificateFile === undefined && keyFile === undefined)
    return { tls: undefined, problems: [] };
  if (certificateFile === undefined || keyFile === undefined) {
    const [set, unset] =
      keyFile === undefined
        ? [tlsVariables.certificate, tlsVariables.key]
        : [tlsVariables.key, tlsVariables.certificate];
    return wrong(`${set} is set and ${unset} is not: set both for HTTPS, or neither for HTTP`);
  }
  const certificate = checked(tlsVariables.certificate, certificateFile, parseCertificate);
  const key = checked(tlsVariables.key, keyFile, parseKey);
  const unread = [certificate, key].filter((result) => typeof result === "string");
  if (typeof certificate === "string" || typeof key === "string") return wrong(...unread);
  if (!certificate.checkPrivateKey(key)) {
    return wrong(
      `${tlsVariables.key} is "${keyFile}", which is not the key of the first certificate in ` +
        `${tlsVariables.certificate} "${certificateFile}": that has to be this host's own, before ` +
        `those of its issuers`,
    );
  }
  const tls = {
    certificatePath: resolve(certificateFile),
    keyPath: resolve(keyFile),
    expiresMs: Date.parse(certificate.validTo),
  };
  return { tls, problems: [] };
}

function wrong(...problems: readonly string[]): ParsedTlsFiles {
  return { tls: undefined, problems };
}

/** What is in the file of a variable, or the problem with it. */
function checked<T>(name: string, path: string, parse: (pem: string) => T): T | string {
  if (path.includes("-----BEGIN")) return `${name} has PEM itself; allowed is the path of its file`;
  try {
    return parse(read(path));
  } catch (error) {
    if (error instanceof WrongFile) return `${name} is ${shown(path)}, ${error.message}`;
    throw error;
  }
}

/** A path, unless it may be a key in base64 that was given in its place. */
function shown(path: string): string {
  return /^[A-Za-z0-9+/=\s]{60,}$/.test(path) ? "(not shown)" : `"${path}"`;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const reason = errorCode(error) ?? error;
    throw new WrongFile(`no file that can be read: ${String(reason)}`);
  }
}

/** The first certificate, this host's own; the others have to be certificates too. */
function parseCertificate(pem: string): X509Certificate {
  try {
    const [first] = (pem.match(pemCertificates) ?? []).map((one) => new X509Certificate(one));
    if (first !== undefined) return first;
  } catch {
    // What the parser says is of no help.
  }
  throw new WrongFile(
    "a file without a certificate in PEM: give it this host's own (-----BEGIN CERTIFICATE-----), " +
      "and behind it those of its issuers",
  );
}

function parseKey(pem: string): KeyObject {
  if (/ENCRYPTED/.test(pem)) {
    throw new WrongFile(
      "a key with a passphrase, which nobody could type in: take it off with openssl pkey",
    );
  }
  let key;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new WrongFile("a file without a private key in PEM (-----BEGIN PRIVATE KEY-----)");
  }
  if (!isTaken(key)) throw new WrongFile(`a key of a kind that is not served; ${allowedKeys}`);
  return key;
}

function isTaken({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  const { modulusLength = 0, namedCurve } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType === "ec") return namedCurves.includes(namedCurve);
  if (asymmetricKeyType !== "rsa") return asymmetricKeyType === "ed25519";
  return modulusLength >= rsaBitsMin && modulusLength <= rsaBitsMax;
}
