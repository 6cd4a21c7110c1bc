import { hashSync } from "bcryptjs";
import { decodeJwt, exportPKCS8, generateKeyPair } from "jose";
import { sendTo } from "../configured.ts";
import { basic, bearer, type Credentials } from "./authorization.ts";

export { basic, bearer, type Credentials, nobody } from "./authorization.ts";

/** The variables of a registry's environment. */
export type Variables = Record<string, string | undefined>;

/** A new private key in PKCS #8. */
export async function newPrivateKey(algorithm = "ES256"): Promise<string> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  return exportPKCS8(privateKey);
}

/** The text of an htpasswd file, by bcrypt's lowest cost. */
export function htpasswd(passwords: Readonly<Record<string, string>>): string {
  return Object.entries(passwords)
    .map(([name, password]) => `${name}:${hashSync(password, 4)}\n`)
    .join("");
}

/** A registry that makes its own tokens, and has alice, who may do everything, and rita, who reads. */
export async function tokenRegistry(more: Variables = {}): Promise<Variables> {
  return {
    REGISTRY_AUTH_TYPE: "token",
    REGISTRY_AUTH_TOKEN_PRIVATEKEY: await newPrivateKey(),
    USERNAME: "alice",
    PASSWORD: "alice's",
    READONLY_USERNAME: "rita",
    READONLY_PASSWORD: "rita's",
    ...more,
  };
}

export const alice = basic("alice", "alice's");
export const rita = basic("rita", "rita's");

/** What a token service answers. */
export interface TokenAnswer {
  readonly token: string;
  readonly access_token: string;
  readonly expires_in: number;
  readonly issued_at: string;
  readonly refresh_token?: string;
}

/** Asks for a token by GET, with scopes. */
export async function askToken(
  variables: Variables,
  credentials: Credentials,
  scopes: readonly string[] = [],
  more = "",
): Promise<TokenAnswer> {
  const query = scopes.map((scope) => `&scope=${encodeURIComponent(scope)}`).join("");
  const path = `/token?service=longshore${query}${more}`;
  const response = await sendTo(variables, "GET", path, { headers: credentials });
  if (response.status !== 200) throw new Error(`GET of ${path}: ${await response.text()}`);
  return response.json();
}

/** Asks for a token by POST, with a form. */
export function postForm(
  variables: Variables,
  fields: Readonly<Record<string, string>> | string,
): Promise<Response> {
  return sendTo(variables, "POST", "/token", {
    body: new URLSearchParams(fields).toString(),
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
  });
}

/** The headers of who has a token with these scopes. */
export async function tokenOf(
  variables: Variables,
  credentials: Credentials,
  ...scopes: readonly string[]
): Promise<Credentials> {
  return bearer((await askToken(variables, credentials, scopes)).token);
}

/** What a token says it is for, as scopes with their actions in order. */
export function scopesOf(token: string): string[] {
  const { access } = decodeJwt<{ access: { type: string; name: string; actions: string[] }[] }>(
    token,
  );
  return access.map(({ type, name, actions }) => `${type}:${name}:${actions.toSorted().join(",")}`);
}
