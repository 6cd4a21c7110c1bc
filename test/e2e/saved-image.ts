/** What `docker save` and `podman save` write, read back byte by byte. */
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { run } from "./command.ts";
import { sha256Of, sha256OfFile } from "./sha256.ts";
import { tools } from "./tools.ts";

/** An image as an engine gives it back. */
export interface SavedImage {
  /** The digest of its configuration. */
  readonly config: string;
  /** The digests of its uncompressed layers, computed from the bytes that were saved. */
  readonly diffIds: readonly string[];
}

/** An entry of an archive's manifest.json. */
interface ArchivedImage {
  readonly Config: string;
  readonly Layers: readonly string[];
}

/** The digest of a layer without its compression: engines save what they have, either way. */
async function diffIdOf(file: string): Promise<string> {
  const handle = await open(file);
  const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
  await handle.close();
  const isGzip = buffer[0] === 0x1f && buffer[1] === 0x8b;
  return isGzip ? sha256Of(createReadStream(file).pipe(createGunzip())) : sha256OfFile(file);
}

/** Reads an archive, and removes it. */
export async function readSavedImage(archive: string): Promise<SavedImage> {
  const folder = `${archive}.d`;
  await mkdir(folder);
  try {
    await run(tools.tar, ["--extract", "--file", archive, "--directory", folder]);
    const [image]: ArchivedImage[] = JSON.parse(
      await readFile(join(folder, "manifest.json"), "utf8"),
    );
    if (image === undefined) {
      throw new Error(`${archive} has no image`);
    }
    const diffIds: string[] = [];
    for (const layer of image.Layers) {
      diffIds.push(await diffIdOf(join(folder, layer)));
    }
    return { config: await sha256OfFile(join(folder, image.Config)), diffIds };
  } finally {
    await rm(folder, { recursive: true });
    await rm(archive);
  }
}
