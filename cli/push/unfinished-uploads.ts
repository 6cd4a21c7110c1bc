import { createHash } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Digest } from "../../schemas/digest.ts";
import { isJsonObject } from "../../schemas/descriptor.ts";
import { CommandError } from "../exit-codes.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** No registry keeps an upload longer: R2 ends multipart uploads after seven days. */
const keptMsMax = 7 * 24 * 3_600_000;

/** Where state of the command is kept ($XDG_STATE_HOME, XDG base directory specification). */
function stateFolder(environment: Environment): string {
  const home = environment["XDG_STATE_HOME"];
  // The specification has relative paths ignored.
  const base = home?.startsWith("/") === true ? home : join(homedir(), ".local/state");
  return join(base, "longshore", "uploads");
}

function notKept(error: unknown): CommandError {
  return new CommandError(
    `an upload can't be noted (${(error as Error).message}): ` +
      "set XDG_STATE_HOME to a folder that can be written to",
    { cause: error },
  );
}

/**
 * Upload sessions that a push to one repository began and did not end, so that the next one goes on
 * with them. A session is a file of its own, so that pushes side by side do not write over one
 * another. Its Location may be all that admits to the session: only the user can read the files.
 */
export class UnfinishedUploads {
  readonly #folder: string;
  readonly #target: { readonly registry: string; readonly repository: string };

  private constructor(
    folder: string,
    target: { readonly registry: string; readonly repository: string },
  ) {
    this.#folder = folder;
    this.#target = target;
  }

  /** Those to a repository; what is too old to be gone on with is removed. */
  static async open(
    target: { readonly registry: string; readonly repository: string },
    environment: Environment = process.env,
  ): Promise<UnfinishedUploads> {
    const folder = stateFolder(environment);
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw notKept(error);
    });
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
      if (Date.now() - mtimeMs > keptMsMax) await rm(path, { force: true });
    }
    return new UnfinishedUploads(folder, target);
  }

  /** The Location of the session that was begun for a blob; undefined without one. */
  async locationOf(digest: Digest): Promise<string | undefined> {
    let json: unknown;
    try {
      json = JSON.parse(await readFile(this.#pathOf(digest), "utf8"));
    } catch {
      // Not there, or cut off as the machine went down: the upload begins again.
      return undefined;
    }
    const location = isJsonObject(json) ? json["location"] : undefined;
    return typeof location === "string" ? location : undefined;
  }

  /** Notes the Location that a session has now; it is written when this returns. */
  keep(digest: Digest, location: string): void {
    const path = this.#pathOf(digest);
    const written = `${path}.${process.pid}`;
    const text = JSON.stringify({ ...this.#target, digest, location });
    try {
      writeFileSync(written, text, { mode: 0o600 });
      renameSync(written, path);
    } catch (error) {
      throw notKept(error);
    }
  }

  /** Forgets a session: its blob is in the registry, or the session is not there any more. */
  async forget(digest: Digest): Promise<void> {
    await rm(this.#pathOf(digest), { force: true });
  }

  #pathOf(digest: Digest): string {
    const { registry, repository } = this.#target;
    const key = createHash("sha256").update(`${registry}\n${repository}\n${digest}`).digest("hex");
    return join(this.#folder, `${key}.json`);
  }
}
