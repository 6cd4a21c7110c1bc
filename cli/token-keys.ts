import { generateKeyPair, randomInt } from "node:crypto";
import { promisify } from "node:util";
import { hash } from "bcryptjs";

const passwordCharacters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const passwordLength = 24;
/** What `htpasswd -B` takes: a log-in costs a few milliseconds of CPU. */
const bcryptRounds = 5;

/** A private key for the registry's own tokens (REGISTRY_AUTH_TOKEN_PRIVATEKEY): P-256, PKCS #8 in PEM. */
export async function newTokenKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  return privateKey;
}

/** A password of 24 letters and digits (139 bits) without those that look alike. */
export function newPassword(): string {
  const characters = Array.from(
    { length: passwordLength },
    () => passwordCharacters[randomInt(passwordCharacters.length)],
  );
  return characters.join("");
}

/** The user's line of an htpasswd file (REGISTRY_AUTH_HTPASSWD): the name and a bcrypt hash. */
export async function htpasswdLine(username: string, password: string): Promise<string> {
  return `${username}:${await hash(password, bcryptRounds)}`;
}
