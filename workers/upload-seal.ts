import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import type { SealedSession } from "../durable-objects/upload-state.ts";
import { sessionSecondsMax } from "../schemas/configuration.ts";
import type { DigestAlgorithm } from "../schemas/digest.ts";
import { RegistryError } from "../schemas/errors.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import { catalogName } from "../schemas/storage-keys.ts";

/** Whose a session is: who began it, and in which repository. */
export interface Owner {
  readonly repository: RepositoryName;
  readonly subject: string;
}

/** A session whose seal was found unbroken. */
export interface OpenedSession extends SealedSession, Owner {
  /** Its id as the client knows it, the last segment of a Location. */
  readonly sealed: string;
  /** The name of its UploadSession. */
  readonly id: string;
  /** False: no PATCH was answered with this Location, so a whole blob may come. */
  readonly appended: boolean;
}

const randomBytes = 16;
const timeBytes = 6;
const macBytes = 16;
const payloadBytes = randomBytes + timeBytes + 1;
const appendedFlag = 2;
/** Of an id that admits who bears it. What follows its MAC is the owner's subject, encrypted. */
const bearerFlag = 8;
const ivBytes = 12;
/** Bits of the algorithm beside the flags. */
const algorithmFlags: Record<DigestAlgorithm, number> = { sha256: 0, sha512: 1, blake3: 4 };

let sealingKey: Uint8Array | undefined;

/**
 * The deployment's key, asked for once per isolate. Only the key is kept, not its promise: a request
 * that is cut off would leave one that never settles to all others.
 */
async function key(env: Env): Promise<Uint8Array> {
  sealingKey ??= await env.CATALOG.getByName(catalogName).sealingKey();
  return sealingKey;
}

async function mac(env: Env, { repository, subject }: Owner, payload: Uint8Array): Promise<Buffer> {
  const hmac = createHmac("sha256", await key(env));
  // The flag is in the payload: an id that needs credentials can't be made into one that does not.
  hmac.update(`upload session\n${repository}\n${subject}\n`).update(payload);
  return hmac.digest().subarray(0, macBytes);
}

async function seal(env: Env, owner: Owner, payload: Buffer): Promise<string> {
  const pieces: Uint8Array[] = [payload, await mac(env, owner, payload)];
  if (isBearer(payload)) pieces.push(await encryptSubject(env, payload, owner.subject));
  return Buffer.concat(pieces).toString("base64url");
}

function isBearer(payload: Uint8Array): boolean {
  return ((payload[payloadBytes - 1] ?? 0) & bearerFlag) !== 0;
}

/** Encrypted, as ids are in the logs of whatever is on the way. A session has one subject, and its random bytes are the IV. */
async function encryptSubject(env: Env, payload: Buffer, subject: string): Promise<Uint8Array> {
  const terms = { name: "AES-GCM", iv: payload.subarray(0, ivBytes) };
  const encrypted = await crypto.subtle.encrypt(terms, await subjectKey(env), Buffer.from(subject));
  return new Uint8Array(encrypted);
}

async function subjectKey(env: Env): Promise<CryptoKey> {
  const bytes = Buffer.concat([Buffer.from("subject of an upload session\n"), await key(env)]);
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return crypto.subtle.importKey("raw", hash, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** The bytes of an id; undefined for a text that is none: a session has one id, not several. */
function bytesOf(sealed: string): Buffer | undefined {
  const bytes = Buffer.from(sealed, "base64url");
  // Decoding forgives foreign characters and left-over bits.
  if (bytes.toString("base64url") !== sealed) return undefined;
  const macEnd = payloadBytes + macBytes;
  return bytes.length === macEnd || (bytes.length > macEnd && isBearer(bytes)) ? bytes : undefined;
}

async function isSealed(env: Env, owner: Owner, bytes: Buffer): Promise<boolean> {
  const expected = await mac(env, owner, bytes.subarray(0, payloadBytes));
  const found = bytes.subarray(payloadBytes, payloadBytes + macBytes);
  return crypto.subtle.timingSafeEqual(expected, found);
}

/**
 * The id of a new upload session: 52 characters that need no escape. It is sealed with its owner
 * and time, so that no object has to be woken before the first byte comes, and nobody else, nor
 * another repository, can use it. With `forBearer` it is longer, and who has it needs no credentials
 * (see subjectOfBearer); what nobody in particular began needs none anyway.
 */
export async function sealNewSession(
  env: Env,
  owner: Owner,
  algorithm: DigestAlgorithm,
  forBearer: boolean,
): Promise<string> {
  const payload = Buffer.alloc(payloadBytes);
  crypto.getRandomValues(payload.subarray(0, randomBytes));
  payload.writeUIntBE(Date.now(), randomBytes, timeBytes);
  payload[payloadBytes - 1] =
    algorithmFlags[algorithm] | (forBearer && owner.subject !== "" ? bearerFlag : 0);
  return seal(env, owner, payload);
}

/** The id of the same session in the Location of a PATCH; the former one goes on to serve. */
export async function sealAppended(env: Env, session: OpenedSession): Promise<string> {
  const payload = Buffer.from(session.sealed, "base64url").subarray(0, payloadBytes);
  payload[payloadBytes - 1] = (payload[payloadBytes - 1] ?? 0) | appendedFlag;
  return seal(env, session, payload);
}

/** The session of an id. @throws RegistryError BLOB_UPLOAD_UNKNOWN if it is none of this owner */
export async function openSession(env: Env, owner: Owner, sealed: string): Promise<OpenedSession> {
  const bytes = bytesOf(sealed);
  if (bytes === undefined || !(await isSealed(env, owner, bytes))) {
    throw new RegistryError("BLOB_UPLOAD_UNKNOWN", `no such session in ${owner.repository}`);
  }
  const payload = bytes.subarray(0, payloadBytes);
  const flags = payload[payloadBytes - 1] ?? 0;
  return {
    sealed,
    id: payload.toString("base64url", 0, randomBytes),
    ...owner,
    startedAtMs: payload.readUIntBE(randomBytes, timeBytes),
    algorithm: algorithmIn(flags),
    appended: (flags & appendedFlag) !== 0,
  };
}

/**
 * Who began the session of an id that admits its bearer in this repository; undefined for every other
 * text, and for one that is older than any session gets.
 */
export async function subjectOfBearer(
  env: Env,
  repository: RepositoryName,
  sealed: string,
): Promise<string | undefined> {
  const bytes = bytesOf(sealed);
  if (bytes === undefined || !isBearer(bytes)) return undefined;
  const subject = await decryptSubject(env, bytes);
  if (subject === undefined) return undefined;
  if (!(await isSealed(env, { repository, subject }, bytes))) return undefined;
  const isOver = Date.now() > bytes.readUIntBE(randomBytes, timeBytes) + 1000 * sessionSecondsMax;
  return isOver ? undefined : subject;
}

async function decryptSubject(env: Env, bytes: Buffer): Promise<string | undefined> {
  const terms = { name: "AES-GCM", iv: bytes.subarray(0, ivBytes) };
  const encrypted = bytes.subarray(payloadBytes + macBytes);
  try {
    const subject = await crypto.subtle.decrypt(terms, await subjectKey(env), encrypted);
    return Buffer.from(subject).toString();
  } catch {
    return undefined;
  }
}

function algorithmIn(flags: number): DigestAlgorithm {
  const { sha512, blake3 } = algorithmFlags;
  if ((flags & sha512) !== 0) return "sha512";
  return (flags & blake3) === 0 ? "sha256" : "blake3";
}
