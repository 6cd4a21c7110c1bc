import { storageFullText } from "../stores/storage-full.ts";
import type { FileSync } from "./file-sync.ts";

/** Bytes `offset` to `offset + length - 1` of a file. */
export interface Slice {
  readonly offset: number;
  readonly length: number;
}

/** What a folder of the disk holds under one name. */
export interface FolderEntry {
  readonly name: string;
  readonly type: string;
}

/**
 * A folder on disk, through workerd's `disk` service (`DiskDirectory` in workerd.capnp), which moves
 * the bytes natively. A write goes to a hidden file that is renamed into place when it is whole, so a
 * file is there with all its bytes or not at all; folders are made as needed. A removed file that is
 * being read is read to its end. The service does not sync: what was written survives the death of
 * the process, and that of the machine if a FileSync is given.
 *
 * Paths are relative, of `a-z 0-9 _ - = ~ .` and `/`, with no name that begins with a dot.
 */
export class Disk {
  readonly #service: Fetcher;
  readonly #sync: FileSync | undefined;

  /** `service` is the binding of a writable `disk` service; with `sync`, each write waits for it. */
  constructor(service: Fetcher, sync?: FileSync) {
    this.#service = service;
    this.#sync = sync;
  }

  #request(path: string, request?: RequestInit): Promise<Response> {
    return this.#service.fetch(`http://disk/${path}`, request);
  }

  /** Writes a whole file; rejects, and leaves what was there before, if the body fails on its way. */
  async write(path: string, body: ReadableStream | Uint8Array | string): Promise<void> {
    const response = await this.#request(path, { method: "PUT", body }).catch((error: unknown) => {
      // The runtime does not say what the system said.
      throw new Error(`disk: PUT ${path}: ${storageFullText}: ${String(error)}`);
    });
    if (!response.ok) throw unexpected("PUT", path, response);
    await this.#synced(path);
  }

  /** What may not be on the disk is no file: who looks for it must not find it. */
  async #synced(path: string): Promise<void> {
    try {
      await this.#sync?.sync(path);
    } catch (error) {
      await this.remove(path);
      throw error;
    }
  }

  /**
   * The file, or what it has of a slice, as a body that nobody has touched; undefined if there is no
   * file, or nothing of the slice in it.
   */
  async read(path: string, slice?: Slice): Promise<Response | undefined> {
    const headers = new Headers();
    if (slice !== undefined) {
      headers.set("range", `bytes=${slice.offset}-${slice.offset + slice.length - 1}`);
    }
    const response = await this.#request(path, { headers });
    // 206, or 200 for a slice that is the whole file.
    if (response.ok) return response;
    await response.body?.cancel();
    if (response.status === 404 || response.status === 416) return undefined;
    throw unexpected("GET", path, response);
  }

  /** The size of a file in bytes; undefined if there is none. */
  async size(path: string): Promise<number | undefined> {
    const response = await this.#request(path, { method: "HEAD" });
    await response.body?.cancel();
    if (response.ok) return Number(response.headers.get("content-length"));
    if (response.status === 404) return undefined;
    throw unexpected("HEAD", path, response);
  }

  /** True if there is such a file. */
  async has(path: string): Promise<boolean> {
    return (await this.size(path)) !== undefined;
  }

  /** Removes a file, or a folder with all that is in it; nothing there is fine. */
  async remove(path: string): Promise<void> {
    const response = await this.#request(path, { method: "DELETE" });
    await response.body?.cancel();
    if (!response.ok && response.status !== 404) throw unexpected("DELETE", path, response);
  }

  /** What a folder holds, in no order; undefined if there is no such folder. */
  async list(path: string): Promise<FolderEntry[] | undefined> {
    const response = await this.read(path);
    return response?.json<FolderEntry[]>();
  }
}

function unexpected(method: string, path: string, response: Response): Error {
  return new Error(`disk: ${method} ${path} was answered ${response.status}`);
}
