import { Buffer } from "node:buffer";
import {
  exportJWK,
  exportPKCS8,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  SignJWT,
} from "jose";
import { vi } from "vitest";

/** The claims of a token. */
export type Claims = Record<string, unknown>;

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** A key pair, and tokens that it signs. */
export class Signer {
  readonly algorithm: string;
  readonly kid: string;
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;

  static async make(algorithm = "ES256", kid: string = crypto.randomUUID()): Promise<Signer> {
    return new Signer(algorithm, kid, await generateKeyPair(algorithm, { extractable: true }));
  }

  constructor(
    algorithm: string,
    kid: string,
    pair: { publicKey: CryptoKey; privateKey: CryptoKey },
  ) {
    this.algorithm = algorithm;
    this.kid = kid;
    this.publicKey = pair.publicKey;
    this.privateKey = pair.privateKey;
  }

  /** A token with these claims alone; a header parameter that is undefined is left out. */
  sign(claims: Claims, header: Partial<JWTHeaderParameters> = {}): Promise<string> {
    const all = { alg: this.algorithm, kid: this.kid, typ: "JWT", ...header };
    return new SignJWT(claims)
      .setProtectedHeader(JSON.parse(JSON.stringify(all)) as JWTHeaderParameters)
      .sign(this.privateKey);
  }

  /** The private key, as the registry's own is configured. */
  pkcs8(): Promise<string> {
    return exportPKCS8(this.privateKey);
  }

  /** The public key in PEM. */
  pem(): Promise<string> {
    return exportSPKI(this.publicKey);
  }

  async jwk(): Promise<JWK> {
    return { ...(await exportJWK(this.publicKey)), kid: this.kid, alg: this.algorithm, use: "sig" };
  }
}

/** The public keys of signers as a JWKS. */
export async function jwksOf(...signers: readonly Signer[]): Promise<{ keys: JWK[] }> {
  return { keys: await Promise.all(signers.map((signer) => signer.jwk())) };
}

/** A token whose header and claims are these, and whose signature `sign` makes of them. */
export async function rawToken(
  header: object,
  claims: Claims,
  sign: (text: Buffer) => ArrayBuffer | Promise<ArrayBuffer>,
): Promise<string> {
  const parts = [header, claims].map((part) => Buffer.from(JSON.stringify(part)));
  const text = parts.map((part) => part.toString("base64url")).join(".");
  return `${text}.${Buffer.from(await sign(Buffer.from(text))).toString("base64url")}`;
}

type WebAnswer = object | string | (() => Response);

/** What the registry finds where it fetches. What has no answer can't be reached. */
export class Web {
  /** The URLs that were fetched. */
  readonly asked: string[] = [];
  readonly #answers = new Map<string, WebAnswer>();

  constructor() {
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
      const url = input instanceof Request ? input.url : String(input);
      this.asked.push(url);
      const answer = this.#answers.get(url);
      if (answer === undefined) throw new TypeError(`${url} can't be reached`);
      if (typeof answer === "function") return (answer as () => Response)();
      return new Response(typeof answer === "string" ? answer : JSON.stringify(answer));
    });
  }

  set(url: string, answer: WebAnswer): void {
    this.#answers.set(url, answer);
  }

  remove(url: string): void {
    this.#answers.delete(url);
  }
}

/** An address that no other test uses: what is known of it is remembered in the isolate. */
export function newOrigin(): string {
  return `https://i${crypto.randomUUID()}.example.com`;
}
