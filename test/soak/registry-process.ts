import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Start } from "../standalone/start-process.ts";

const run = promisify(execFile);

/** Whom a kill hits first: `npm start` with its own process, or workerd. */
export const killTargets = ["start", "workerd"] as const;

/** `npm start` on a folder, in a process group of its own, to be killed with all that it started. */
export class RegistryProcess {
  readonly url: string;
  readonly #start: Start;
  readonly #pid: number;
  readonly #workerd: number;

  private constructor(start: Start, url: string, pid: number, workerd: number) {
    this.#start = start;
    this.url = url;
    this.#pid = pid;
    this.#workerd = workerd;
  }

  /** Starts it and waits until it answers. */
  static async start(
    folder: string,
    variables: Readonly<Record<string, string>> = {},
  ): Promise<RegistryProcess> {
    const start = new Start(["setsid", "npm", "start"], {
      REGISTRY_PORT: "0",
      REGISTRY_AUTH_TYPE: "none",
      REGISTRY_STORAGE_PATH: folder,
      // A line for each request would be kept by the test, too.
      REGISTRY_LOG_LEVEL: "warn",
      ...variables,
    });
    const { pid } = start.process;
    if (pid === undefined) throw new Error("npm did not start");
    try {
      const url = await start.url();
      return new RegistryProcess(start, url, pid, await descendant(pid, "workerd"));
    } catch (error) {
      killGroup(pid);
      throw error;
    }
  }

  /** Kills with SIGKILL, and waits until nothing of it is left. */
  async kill(target: (typeof killTargets)[number] = "start"): Promise<void> {
    if (target === "start") {
      killGroup(this.#pid);
    } else {
      process.kill(this.#workerd, "SIGKILL");
    }
    // workerd has the same standard output: this is settled when all have closed it.
    await this.#start.ended;
  }
}

/** Kills a process and its group, unless it has ended by itself: why it did is what is to be told. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The pid of the process that runs this program below another process. */
async function descendant(ancestor: number, program: string): Promise<number> {
  const { stdout } = await run("ps", ["-A", "-o", "pid=,ppid=,comm="]);
  const processes = stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .map(([pid, parent, command]) => ({ pid: Number(pid), parent: Number(parent), command }));
  let generation = [ancestor];
  while (generation.length > 0) {
    const children = processes.filter(({ parent }) => generation.includes(parent));
    const found = children.find(({ command }) => command === program);
    if (found !== undefined) return found.pid;
    generation = children.map(({ pid }) => pid);
  }
  throw new Error(`${program} is not running`);
}
