/** Certificates for 127.0.0.1 and localhost, made by openssl in a folder. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The kinds of keys, by what openssl genpkey is told. */
export const keyKinds = {
  "RSA of 2048 bits": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
  "P-256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "P-384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
  Ed25519: ["-algorithm", "ED25519"],
  "RSA of 1024 bits": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
  "RSA-PSS": ["-algorithm", "RSA-PSS"],
  "P-521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
};

export type KeyKind = keyof typeof keyKinds;

/** Paths of a certificate and its key. */
export interface Pair {
  readonly certificate: string;
  readonly key: string;
}

/** An authority of its own, and what it has signed. */
export class Authority {
  /** Which clients are to trust. */
  readonly path: string;
  readonly #folder: string;
  readonly #own: Pair;

  constructor(folder: string, name = "root", issuer?: Authority) {
    this.#folder = folder;
    const extensions = "basicConstraints=critical,CA:TRUE\n";
    this.#own = makePair(
      folder,
      name,
      "P-256",
      extensions,
      issuer === undefined ? issuer : issuer.#own,
    );
    this.path = this.#own.certificate;
  }

  /** A certificate that is valid for a day, or for another number of them. */
  sign(name: string, kind: KeyKind = "P-256", days = 1): Pair {
    const extensions = "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
    return makePair(this.#folder, name, kind, extensions, this.#own, days);
  }

  pem(): string {
    return readFileSync(this.path, "utf8");
  }
}

/** Runs openssl; what it says of its progress is kept quiet. */
export function openssl(...args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

function makePair(
  folder: string,
  name: string,
  kind: KeyKind,
  extensions: string,
  issuer?: Pair,
  days = 1,
): Pair {
  const path = (suffix: string): string => join(folder, `${name}.${suffix}`);
  const pair = { certificate: path("pem"), key: path("key") };
  writeFileSync(path("extensions"), extensions);
  openssl("genpkey", ...keyKinds[kind], "-out", pair.key);
  openssl("req", "-new", "-key", pair.key, "-subj", `/CN=${name}`, "-out", path("request"));
  const signer =
    issuer === undefined
      ? ["-signkey", pair.key]
      : ["-CA", issuer.certificate, "-CAkey", issuer.key, "-set_serial", String(Date.now())];
  const to = ["-days", String(days), "-extfile", path("extensions"), "-out", pair.certificate];
  openssl("x509", "-req", "-in", path("request"), ...signer, ...to);
  return pair;
}
