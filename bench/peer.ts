import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, closeSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { get } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ProcessTree } from "./process-tree.ts";

/** How to start a registry whose data is below a folder, so that it listens on a port. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** A registry that is measured. */
export interface Peer {
  readonly name: string;
  /** Ours; what all others are compared with. */
  readonly isOurs?: boolean;
  /** No registry: a server that keeps nothing, which shows the limit of the load client. */
  readonly isNothing?: boolean;
  /** An older release of another peer: left out of what takes minutes, and of every second round. */
  readonly isFormer?: boolean;
  /** How it is started; nothing for one that runs anyway, whose address is known. */
  readonly command?: (folder: string, port: number) => Promise<Command>;
  readonly address?: string;
}

/** Whether the peer is a registry, and no server that keeps nothing. */
export function isRegistry({ isNothing }: Peer): boolean {
  return isNothing !== true;
}

/** A registry that we start: nothing else is in it, and its memory, CPU and files can be seen. */
export function isOwnRegistry(peer: Peer): boolean {
  return peer.command !== undefined && isRegistry(peer);
}

/** A registry that answers. */
export interface RunningPeer {
  readonly address: string;
  /** Seconds from its start until `/v2/` answered; nothing where it was not started here. */
  readonly startSeconds?: number;
  readonly tree?: ProcessTree;
  readonly storage?: string;
  stop(): Promise<void>;
}

const host = "127.0.0.1";

/** How often a registry that starts is asked, and how long it may take. */
const askMs = 5;
const startMsMax = 30_000;

/** How long a registry may take to stop before it is killed. */
const stopMsMax = 15_000;

/** The process groups to end with this process, whatever ends it. */
const running = new Set<number>();
process.on("exit", () => {
  for (const group of running) signalGroup(group, "SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

/** Starts a registry in a folder, which may hold what an earlier start left there. */
export async function startPeer(peer: Peer, folder: string): Promise<RunningPeer> {
  if (peer.command === undefined) {
    const address = peer.address ?? "";
    await answers(address, new AbortController().signal);
    return { address, stop: async () => {} };
  }
  const storage = join(folder, "storage");
  await mkdir(storage, { recursive: true });
  const port = await freePort();
  const { program, args, environment } = await peer.command(folder, port);
  const log = join(folder, "log");
  const descriptor = openSync(log, "a");
  const begin = performance.now();
  const child = spawn(program, args, {
    env: { ...inheritedEnvironment(), ...environment },
    stdio: ["ignore", descriptor, descriptor],
    detached: true,
  });
  closeSync(descriptor);
  // Without a listener, what is thrown below would come too late.
  child.once("error", () => {});
  const { pid } = child;
  if (pid === undefined) throw new Error(`${peer.name}: ${program} does not start`);
  running.add(pid);
  const ended = new AbortController();
  child.once("exit", () => {
    running.delete(pid);
    ended.abort();
  });
  const address = `${host}:${port}`;
  try {
    await answers(address, ended.signal);
  } catch (error) {
    signalGroup(pid, "SIGKILL");
    throw new Error(`${String(error)}\n${await endOf(log)}`, { cause: error });
  }
  const startSeconds = (performance.now() - begin) / 1000;
  const tree = new ProcessTree(pid);
  return { address, startSeconds, tree, storage, stop: async () => stop(child, pid, log) };
}

/** What changes how registries behave is not passed on. */
function inheritedEnvironment(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:REGISTRY_|OTEL_|npm_|PORT$|(?:READONLY_)?(?:USERNAME|PASSWORD)$)/.test(name),
  );
  return Object.fromEntries(kept);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Waits until `/v2/` is 200. */
async function answers(address: string, ended: AbortSignal): Promise<void> {
  const deadline = performance.now() + startMsMax;
  while ((await statusOf(`http://${address}/v2/`)) !== 200) {
    if (ended.aborted) throw new Error("it ended by itself");
    if (performance.now() > deadline) throw new Error(`http://${address}/v2/ does not answer`);
    await sleep(askMs);
  }
}

async function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: 5000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(undefined));
  });
}

async function stop(child: ChildProcess, pid: number, log: string): Promise<void> {
  if (!running.has(pid)) throw new Error(`it ended by itself\n${await endOf(log)}`);
  const exited = once(child, "exit");
  signalGroup(pid, "SIGTERM");
  const inTime = await Promise.race([exited, sleep(stopMsMax, undefined, { ref: false })]);
  // Also what it may have left behind.
  signalGroup(pid, "SIGKILL");
  if (inTime === undefined) await exited;
}

/** The last lines that a registry has said. */
async function endOf(log: string): Promise<string> {
  return (await readFile(log, "utf8")).split("\n").slice(-10).join("\n");
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // Nobody of it is left.
  }
}
