/** podman with storage of its own. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Output, run } from "./command.ts";
import { readSavedImage, type SavedImage } from "./saved-image.ts";
import { tools } from "./tools.ts";

/** The podman command over the storage of one folder. */
export class Podman {
  readonly #folder: string;

  /** Over storage in a folder; in a new one it is empty, and nobody is logged in. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Runs podman. */
  async podman(...args: readonly string[]): Promise<Output> {
    const own = ["--root", join(this.#folder, "root"), "--runroot", join(this.#folder, "run")];
    const state = ["--tmpdir", join(this.#folder, "tmp"), "--storage-driver=vfs"];
    const accounts = join(this.#folder, "auth.json");
    // Where it is told of a file, there has to be one.
    if (!existsSync(accounts)) await writeFile(accounts, "{}");
    return run(tools.podman, [...own, ...state, "--events-backend=file", ...args], {
      env: { REGISTRY_AUTH_FILE: accounts },
    });
  }

  /** The bytes of an image that it has, as `podman save` writes them. */
  async save(image: string): Promise<SavedImage> {
    const archive = join(this.#folder, "saved.tar");
    await this.podman("save", "--output", archive, image);
    return readSavedImage(archive);
  }
}
