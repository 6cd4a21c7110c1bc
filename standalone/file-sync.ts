import { storageFullText } from "../stores/storage-full.ts";

/** Has what was written to one folder put on the disk itself, by the service of sync-service.ts. */
export class FileSync {
  readonly #service: Fetcher;
  readonly #folder: string;

  /** `folder` is the name of the folder in the storage folder. */
  constructor(service: Fetcher, folder: string) {
    this.#service = service;
    this.#folder = folder;
  }

  /** Settles when a file, by its path in the folder, is there even after a power cut. */
  async sync(path: string): Promise<void> {
    const url = `http://sync/${this.#folder}/${path}`;
    const response = await this.#service.fetch(url, { method: "POST" });
    const text = await response.text();
    if (response.ok) return;
    const reason = response.status === 507 ? `${storageFullText}: ${text}` : text;
    throw new Error(`disk: sync of ${path}: ${reason}`);
  }
}
