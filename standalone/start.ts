/**
 * Runs Longshore on one machine: `npm start`. The deployed Worker and its Durable Objects run in
 * workerd, everything is stored below one folder:
 *
 *   <folder>/blobs/                 what R2 holds when deployed (see object-store.ts)
 *   <folder>/manifests/, tags/      what KV holds (see disk-kv.ts)
 *   <folder>/durable-objects/       their SQLite files, workerd's own, in a folder for each class
 *   <folder>/run/                   what workerd was started with, made anew by each start, and the
 *                                   socket of what syncs files (see sync-service.ts)
 *   <folder>/reserve                given up when the disk is full (see space-watch.ts)
 *   <folder>/lock                   held while it runs (see storage-lock.ts)
 */
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { errorCode } from "./error-code.ts";
import { removeEmptyObjects, removeLeftovers } from "./leftovers.ts";
import { address, checkAlive, type Listening, ownAddress } from "./listening.ts";
import { prepareFiles } from "./machine-files.ts";
import { parseSettings, type Settings, WrongSetting } from "./settings.ts";
import { watchFreeSpace } from "./space-watch.ts";
import { StorageLock } from "./storage-lock.ts";
import { SyncService } from "./sync-service.ts";
import { type TlsFiles, tlsVariables } from "./tls-files.ts";
import { type WorkerdEnd, WorkerdProcess } from "./workerd-process.ts";

/** How long requests under way may take after a signal to stop. */
const stopGraceMs = 10_000;

/** How long the first answer may take. */
const readyMsMax = 30_000;

/** How often it is looked for uploads that nobody goes on with for days. */
const tidyMs = 6 * 60 * 60 * 1000;

/** How often it is checked that npm is still there. */
const parentCheckMs = 250;

/** A reason not to start that its message explains fully: no stack is of use. */
class CannotStart extends Error {}

async function start(settings: Settings): Promise<void> {
  const { listening, tls, storagePath, syncSocketPath, variables } = settings;
  await checkAddress(listening);
  const lock = takeStorage(storagePath);
  const configPath = await prepareFiles({
    storagePath,
    address: address(listening),
    variableNames: Object.keys(variables),
    tls,
    syncSocketPath,
  });
  await removeEmptyObjects(join(storagePath, "durable-objects"));
  await watchFreeSpace(storagePath);
  const syncs = await startSyncs(storagePath, syncSocketPath);
  const workerd = new WorkerdProcess(configPath, variables);
  const stopping = askedToStop();
  const serving = serve(settings, workerd, syncs);
  const end = await Promise.race([stopping, workerd.ended, serving]);
  if (typeof end === "string") throw new CannotStart(`workerd ended by itself: ${end}`);
  console.log(`Longshore stops; requests under way have ${stopGraceMs / 1000} s to finish`);
  await workerd.stop(stopGraceMs);
  lock.release();
}

/** What syncs files, where that is wanted. */
async function startSyncs(
  storagePath: string,
  socketPath: string | undefined,
): Promise<SyncService | undefined> {
  return socketPath === undefined ? undefined : SyncService.start(storagePath, socketPath);
}

/** Settles at the first signal to stop, or when npm, whose signals would have come here, is gone. */
function askedToStop(): Promise<void> {
  return new Promise((stop) => {
    // Ctrl-C under npm comes twice, from the terminal and from npm: the second is no second wish.
    for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => stop());
    if (process.env["npm_lifecycle_event"] === undefined) return;
    const parent = process.ppid;
    setInterval(() => {
      if (process.ppid !== parent) stop();
    }, parentCheckMs);
  });
}

function takeStorage(folder: string): StorageLock {
  let lock;
  try {
    // Private images and the key that seals uploads are for nobody else on this machine.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    lock = StorageLock.take(folder);
  } catch (error) {
    throw new CannotStart(
      `REGISTRY_STORAGE_PATH is "${folder}", which can't be used: ${String(error)}`,
    );
  }
  if (lock === undefined) {
    throw new CannotStart(`${folder} is in use by another start (REGISTRY_STORAGE_PATH)`);
  }
  return lock;
}

/** Listens for a moment, for the system's own word on whether workerd will be able to. */
async function checkAddress(listening: Listening): Promise<void> {
  const { host, port } = listening;
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port, exclusive: true }, resolve);
    });
  } catch (error) {
    const code = errorCode(error);
    const reason =
      code === "EADDRINUSE" ? "something listens there already" : `the system says ${String(code)}`;
    throw new CannotStart(
      `can't listen on ${address(listening)} (REGISTRY_HOST, REGISTRY_PORT): ${reason}`,
    );
  } finally {
    server.close();
  }
}

/** Announces itself, tidies up, now and every few hours, and goes on until workerd ends. */
async function serve(
  settings: Settings,
  workerd: WorkerdProcess,
  syncs: SyncService | undefined,
): Promise<WorkerdEnd> {
  const port = await workerd.listening;
  await syncs?.syncFolders();
  await announce({ ...settings.listening, port }, settings.tls);
  await tidyUp(settings);
  setInterval(() => void tidyUp(settings), tidyMs).unref();
  return workerd.ended;
}

async function tidyUp({ storagePath }: Settings): Promise<void> {
  try {
    await removeLeftovers(storagePath, performance.timeOrigin);
  } catch (error) {
    console.error(`longshore: what uploads left is not all removed: ${String(error)}`);
  }
}

/** Waits until requests are answered and says where, and what to do next. */
async function announce(listening: Listening, tls: TlsFiles | undefined): Promise<void> {
  await checkAlive(listening, readyMsMax);
  const reachable = ownAddress(listening);
  console.log(
    `Longshore listens on ${listening.scheme}://${address(listening)}

  docker tag alpine ${reachable}/team/app:1
  docker push ${reachable}/team/app:1
`,
  );
  if (tls !== undefined && tls.expiresMs <= Date.now()) {
    const expired = new Date(tls.expiresMs).toISOString();
    console.warn(`longshore: ${tlsVariables.certificate} expired on ${expired}: clients refuse it`);
  }
}

try {
  await start(parseSettings(process.env));
  process.exit(0);
} catch (error) {
  const explained = error instanceof WrongSetting || error instanceof CannotStart;
  console.error(explained ? error.message.replaceAll(/^/gm, "longshore: ") : error);
  // Ends what was started, too.
  process.exit(1);
}
