import { Buffer } from "node:buffer";

/** Headers that say who is asking. */
export type Credentials = Record<string, string>;

export const nobody: Credentials = {};

export function basic(name: string, password: string): Credentials {
  return { Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}` };
}

export function bearer(token: string): Credentials {
  return { Authorization: `Bearer ${token}` };
}
