import { createReadStream, createWriteStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { CommandError } from "../exit-codes.ts";
import { FolderFiles } from "./content-files.ts";
import {
  type ArchiveOptions,
  archiveMarker,
  isLayoutOfEngine,
  openDockerArchive,
} from "./docker-archive.ts";
import { saveImage } from "./docker-engine.ts";
import type { ImageSource } from "./image-source.ts";
import { layoutMarker, openOciLayout } from "./oci-layout.ts";
import { temporaryError } from "./temporary-error.ts";
import { TarArchive } from "./tar-archive.ts";

export interface SourceOptions extends ArchiveOptions {
  /** The engine is asked, even if a file or folder has this name. */
  readonly engine: boolean;
  /** Told what takes a while. */
  readonly onStep: (step: string) => void;
}

/** What people write only for a file or a folder. */
const pathPattern = /^(?:\.{0,2}\/|~)|\.(?:tar|tgz|tar\.gz)$/;

/**
 * The image that an argument names: the OCI layout in a folder, the image in a tar, or one of the
 * docker engine.
 * @throws CommandError that says what was looked for
 */
export async function openImageSource(
  argument: string,
  options: SourceOptions,
): Promise<ImageSource> {
  const kind = options.engine ? undefined : await kindOf(argument);
  if (kind === "folder") {
    return openOciLayout(new FolderFiles(argument), { ...options, isFromEngine: false });
  }
  if (kind === "file") return openTar(await uncompressed(argument, options), argument, options);
  if (!options.engine && pathPattern.test(argument)) {
    throw new CommandError(`${argument} is not there: give a docker save tar or an OCI layout`);
  }
  options.onStep(`taking ${argument} from the docker engine`);
  const file = await options.folder.newFile();
  await saveImage(argument, file, options);
  return openTar(file, argument, { ...options, image: undefined });
}

async function kindOf(path: string): Promise<"file" | "folder" | undefined> {
  try {
    const found = await stat(path);
    // What can't be read from the middle, and again.
    if (!found.isDirectory() && !found.isFile()) {
      throw new CommandError(`${path} is neither a file nor a folder: write it into a file first`);
    }
    return found.isDirectory() ? "folder" : "file";
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new CommandError(`${path} can't be read: ${String(code)}`);
  }
}

/** The path of an archive without gzip around it: only that can be read from the middle. */
async function uncompressed(
  path: string,
  { folder, onStep, signal }: SourceOptions,
): Promise<string> {
  const handle = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`${path} can't be read: ${String(error.code)}`);
  });
  const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
  await handle.close();
  if (buffer[0] !== 0x1f || buffer[1] !== 0x8b) return path;
  onStep(`uncompressing ${path}`);
  const file = await folder.newFile();
  try {
    await pipeline(createReadStream(path), createGunzip(), createWriteStream(file), { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    const { message } = temporaryError(error) as Error;
    throw new CommandError(`${path} can't be uncompressed: ${message}`, { cause: error });
  }
  return file;
}

async function openTar(
  path: string,
  shownPath: string,
  options: SourceOptions,
): Promise<ImageSource> {
  const archive = await TarArchive.open(path, shownPath);
  const layout = archive.from(layoutMarker);
  const saved = archive.from(archiveMarker);
  if (layout !== undefined && (saved === undefined || (await isLayoutOfEngine(saved)))) {
    return openOciLayout(layout, { ...options, isFromEngine: saved !== undefined });
  }
  if (saved !== undefined) {
    options.onStep(options.keepsTar ? "reading layers" : "compressing layers");
    return openDockerArchive(saved, options);
  }
  throw new CommandError(
    `${shownPath} has neither manifest.json nor oci-layout: it is no image of docker save, nor an OCI layout`,
  );
}
