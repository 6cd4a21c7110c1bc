import { Buffer } from "node:buffer";
import { compare } from "bcryptjs";
import type { User } from "../../schemas/user.ts";
import { RecentMap } from "../recent-map.ts";

/** How long a password that was right is remembered, so that bcrypt is paid once and not per request. */
const rememberedMs = 60_000;
const rememberedMax = 1000;

/** A salt and hash that no password is known for, to compare with where there is no user's. */
const anySaltAndHash = "$abcdefghijklmnopqrstuuWd6Z5Z0Z2oQ9kF0n5lN0JzV5x3v4mFe";

/** Until when, by a hash of user and password under a key that this isolate made. */
const rememberedUntilMs = new RecentMap<number>(rememberedMax);
let memoryKey: CryptoKey | undefined;

/** A log-in that was right before in this isolate. */
export interface Remembered {
  readonly user: User;
  /** True within the minute: it needs no second look. Behind it nobody is guessing either. */
  readonly isFresh: boolean;
}

/** What is remembered of a name and password; undefined if they were not right yet. */
export async function remembered(
  users: readonly User[],
  name: string,
  password: string,
): Promise<Remembered | undefined> {
  const user = users.find((candidate) => candidate.name === name);
  if (user === undefined) return undefined;
  const untilMs = rememberedUntilMs.get(await loginHash(user, password));
  return untilMs === undefined ? undefined : { user, isFresh: untilMs > Date.now() };
}

/** The user whose name and password these are. A name that nobody has costs what a wrong password does. */
export async function verifiedUser(
  users: readonly User[],
  name: string,
  password: string,
): Promise<User | undefined> {
  const user = users.find((candidate) => candidate.name === name);
  return (await isRight(users, user, password)) ? user : undefined;
}

/** Remembers a password that was right. */
export async function rememberUser(user: User, password: string): Promise<void> {
  const hash = await loginHash(user, password);
  rememberedUntilMs.set(hash, Date.now() + rememberedMs);
}

/** What a user's password is stored as: another one is another. */
export function storedPassword({ password }: User): string {
  return password.kind === "bcrypt" ? password.hash : password.text;
}

async function isRight(
  users: readonly User[],
  user: User | undefined,
  password: string,
): Promise<boolean> {
  if (user?.password.kind === "bcrypt") return compare(password, user.password.hash);
  const text = user?.password.text;
  const isEqual =
    (await keyedHash(password)) === (await keyedHash(text ?? "")) && text !== undefined;
  const example = users.find((candidate) => candidate.password.kind === "bcrypt");
  if (!isEqual && example !== undefined) {
    const algorithmAndCost = storedPassword(example).slice(0, "$2b$10".length);
    await compare(password, algorithmAndCost + anySaltAndHash);
  }
  return isEqual;
}

function loginHash(user: User, password: string): Promise<string> {
  return keyedHash(JSON.stringify([user.name, storedPassword(user), password]));
}

async function keyedHash(text: string): Promise<string> {
  if (memoryKey === undefined) {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const random = crypto.getRandomValues(new Uint8Array(32));
    const made = await crypto.subtle.importKey("raw", random, algorithm, false, ["sign"]);
    // Of two that come first, the key of the one that was quicker is everybody's.
    memoryKey ??= made;
  }
  const hash = await crypto.subtle.sign("HMAC", memoryKey, Buffer.from(text));
  return Buffer.from(hash).toString("base64");
}
