import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import type { SealedSession } from "../durable-objects/upload-state.ts";
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
/** Bits of the algorithm beside appendedFlag. */
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
  hmac.update(`upload session\n${repository}\n${subject}\n`).update(payload);
  return hmac.digest().subarray(0, macBytes);
}

async function seal(env: Env, owner: Owner, payload: Buffer): Promise<string> {
  const sealed = Buffer.concat([payload, await mac(env, owner, payload)]);
  return sealed.toString("base64url");
}

/**
 * The id of a new upload session: 52 characters that need no escape. It is sealed with its owner
 * and time, so that no object has to be woken before the first byte comes, and nobody else, nor
 * another repository, can use it.
 */
export async function sealNewSession(
  env: Env,
  owner: Owner,
  algorithm: DigestAlgorithm,
): Promise<string> {
  const payload = Buffer.alloc(payloadBytes);
  crypto.getRandomValues(payload.subarray(0, randomBytes));
  payload.writeUIntBE(Date.now(), randomBytes, timeBytes);
  payload[payloadBytes - 1] = algorithmFlags[algorithm];
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
  const bytes = Buffer.from(sealed, "base64url");
  const payload = bytes.subarray(0, payloadBytes);
  // Decoding forgives foreign characters and left-over bits; a session has one id, not several.
  const isWhole =
    bytes.length === payloadBytes + macBytes && bytes.toString("base64url") === sealed;
  const expected = isWhole ? await mac(env, owner, payload) : undefined;
  if (
    expected === undefined ||
    !crypto.subtle.timingSafeEqual(expected, bytes.subarray(payloadBytes))
  ) {
    throw new RegistryError("BLOB_UPLOAD_UNKNOWN", `no such session in ${owner.repository}`);
  }
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

function algorithmIn(flags: number): DigestAlgorithm {
  const { sha512, blake3 } = algorithmFlags;
  if ((flags & sha512) !== 0) return "sha512";
  return (flags & blake3) === 0 ? "sha256" : "blake3";
}
