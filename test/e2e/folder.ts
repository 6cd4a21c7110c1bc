/** A temporary folder, and its removal once daemons have used it. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./command.ts";

/** Makes an empty folder with a short name: a daemon's socket path may have 107 characters. */
export async function makeFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "longshore-"));
}

/** Removes a folder of `makeFolder`, with whatever a daemon that was killed left mounted in it. */
export async function removeFolder(folder: string): Promise<void> {
  const mounts = (await readFile("/proc/mounts", "utf8"))
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path.startsWith(`${folder}/`))
    .toReversed();
  for (const mount of mounts) {
    await run("umount", [mount]);
  }
  await rm(folder, { recursive: true, force: true });
}

/** Starts something in a folder of its own, which does not stay if the start fails. */
export async function startInFolder<T>(start: (folder: string) => Promise<T>): Promise<T> {
  const folder = await makeFolder();
  try {
    return await start(folder);
  } catch (error) {
    await removeFolder(folder);
    throw error;
  }
}
