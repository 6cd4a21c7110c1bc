import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdir, readdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { repository } from "./former-content.ts";

const run = promisify(execFile);

/** The bytes of a session's id: random ones, its time, its flags; behind them is the seal. */
const [randomBytes, timeBytes, sealBytes] = [16, 6, 16];
const payloadBytes = randomBytes + timeBytes + 1;

/** Unpacks a storage folder of test/fixtures, its files as young as if it had been written now. */
export async function unpack(fixture: string, folder: string): Promise<void> {
  const archive = join(import.meta.dirname, "../fixtures", fixture);
  await run("tar", ["-x", "-z", "-m", "-f", archive, "-C", folder]);
}

/**
 * Makes the upload session that is open in a storage folder as young as if it had begun now: sessions
 * end after six days, and fixtures are older. Answers its path, sealed anew by the key that is stored.
 */
export async function rejuvenate(folder: string, sealed: string): Promise<string> {
  const nowMs = Date.now();
  const path = await databaseOf(
    folder,
    "UploadSession",
    "SELECT 1 FROM session WHERE stage = 'open'",
  );
  const session = new DatabaseSync(path);
  const row = session.prepare("SELECT key, multipart_id FROM session").get() ?? {};
  const [key, multipartId] = [String(row["key"]), String(row["multipart_id"])];
  const day = new Date(nowMs).toISOString().slice(0, "yyyy-mm-dd".length);
  const youngKey = key.replace(/\d{4}-\d\d-\d\d/, day);
  session
    .prepare("UPDATE session SET key = ?, started_ms = ?, touched_ms = ?")
    .run(youngKey, nowMs, nowMs);
  session.prepare("UPDATE tasks SET due = ?").run(nowMs + 3_600_000);
  session.close();
  const partsOf = (name: string) => join(folder, "blobs/parts", `${name}.${multipartId}`);
  await mkdir(dirname(partsOf(youngKey)), { recursive: true });
  await rename(partsOf(key), partsOf(youngKey));
  const id = sealedAt(nowMs, sealed, await sealingKey(folder));
  return `/v2/${repository}/blobs/uploads/${id}`;
}

function sealedAt(nowMs: number, sealed: string, key: Uint8Array): string {
  const payload = Buffer.from(sealed, "base64url").subarray(0, payloadBytes);
  payload.writeUIntBE(nowMs, randomBytes, timeBytes);
  // Nobody in particular began it: the registry was open.
  const seal = createHmac("sha256", key)
    .update(`upload session\n${repository}\n\n`)
    .update(payload);
  return Buffer.concat([payload, seal.digest().subarray(0, sealBytes)]).toString("base64url");
}

async function sealingKey(folder: string): Promise<Uint8Array> {
  const statement = "SELECT bytes FROM keys WHERE purpose = 'upload session'";
  const catalog = new DatabaseSync(await databaseOf(folder, "Catalog", statement));
  const bytes = catalog.prepare(statement).get()?.["bytes"];
  catalog.close();
  if (bytes instanceof Uint8Array) return bytes;
  throw new Error("the catalog has no key");
}

/** The database of the object of a class for which a statement has an answer. */
async function databaseOf(folder: string, className: string, statement: string): Promise<string> {
  const place = join(folder, "durable-objects", className);
  for (const name of await readdir(place)) {
    if (!/^[0-9a-f]{64}\.sqlite$/.test(name)) continue;
    const database = new DatabaseSync(join(place, name));
    const found = database.prepare(statement).get();
    database.close();
    if (found !== undefined) return join(place, name);
  }
  throw new Error(`no ${className} in ${folder} answers ${statement}`);
}
