import type { Disk } from "./disk.ts";
import { DiskObject, type ObjectDescriptor } from "./disk-object.ts";
import type { FreeSpace } from "./free-space.ts";
import { contentOf, hasParts, partSize, writeContent } from "./object-content.ts";
import { type ObjectStore, partsPath, randomId } from "./object-store.ts";
import { checkObjectSize, checkPartNumber, checkPartSizes, r2Error } from "./r2-rules.ts";

/** In an upload's folder: its key's metadata; the upload is open while this file is there. */
const openFile = "upload.json";

/** A part's file: its number and its etag. */
const partName = /^\d+\.[0-9a-f]{32}-\d+$/;

interface OpenUpload {
  readonly customMetadata: Readonly<Record<string, string>>;
  /** By part number, the etags whose files are there: one, or two if a crash left an older one. */
  readonly parts: Map<number, string[]>;
  state: "open" | "completed" | "aborted";
}

/**
 * The multipart uploads that are open, as their folders have them. One instance stands for one
 * bucket. It holds no promises and no streams, as requests and objects of all kinds share it.
 */
export class OpenUploads {
  readonly #uploads = new Map<string, OpenUpload>();

  async create(
    disk: Disk,
    key: string,
    uploadId: string,
    customMetadata: Readonly<Record<string, string>>,
  ): Promise<void> {
    const folder = partsPath(key, uploadId);
    await disk.write(`${folder}/${openFile}`, JSON.stringify({ customMetadata }));
    this.#uploads.set(folder, { customMetadata, parts: new Map(), state: "open" });
  }

  /**
   * The open upload in this folder, from disk after a restart; undefined if there is none, or a power
   * cut has taken any of its bytes.
   */
  async find(disk: Disk, folder: string): Promise<OpenUpload | undefined> {
    const known = this.#uploads.get(folder);
    if (known !== undefined) return known;
    const file = await disk.read(`${folder}/${openFile}`);
    const text = (await file?.text()) ?? "";
    const entries = await disk.list(`${folder}/`);
    if (!text.endsWith("}") || entries === undefined) return undefined;
    const { customMetadata }: Pick<OpenUpload, "customMetadata"> = JSON.parse(text);
    const names = entries.map(({ name }) => name).filter((name) => partName.test(name));
    const isWhole = await hasParts(disk, folder, names);
    // Whoever was here in the meantime may have added parts to what it had found itself.
    const raced = this.#uploads.get(folder);
    if (raced !== undefined) return raced;
    if (!isWhole) return undefined;
    const parts = new Map<number, string[]>();
    for (const name of names) {
      const [partNumber = "", etag = ""] = name.split(".", 2);
      parts.set(Number(partNumber), [...(parts.get(Number(partNumber)) ?? []), etag]);
    }
    const upload: OpenUpload = { customMetadata, parts, state: "open" };
    this.#uploads.set(folder, upload);
    return upload;
  }

  /** To be called when the folder no longer says that the upload is open. */
  forget(folder: string): void {
    this.#uploads.delete(folder);
  }
}

/**
 * A multipart upload of R2MultipartUpload's shape. Its folder holds a file `<number>.<etag>` for each
 * part; the object that comes of it reads these files one after the other, so completing copies
 * nothing. In time: `upload.json`, parts, the object's file, and `upload.json` goes.
 */
export class DiskMultipartUpload implements R2MultipartUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly #objects: ObjectStore;
  readonly #uploads: OpenUploads;
  readonly #space: FreeSpace;
  readonly #folder: string;

  constructor(
    objects: ObjectStore,
    uploads: OpenUploads,
    space: FreeSpace,
    key: string,
    uploadId: string,
  ) {
    this.key = key;
    this.uploadId = uploadId;
    this.#objects = objects;
    this.#uploads = uploads;
    this.#space = space;
    // An id that is none of ours leads nowhere, and nowhere else.
    this.#folder = partsPath(key, /^[0-9a-f]{32}$/.test(uploadId) ? uploadId : "unknown");
  }

  async #open(operation: string): Promise<OpenUpload> {
    const upload = await this.#uploads.find(this.#objects.disk, this.#folder);
    if (upload?.state !== "open") throw r2Error(operation, 10024);
    return upload;
  }

  /** A part that was there under this number is replaced, and its etag is worth nothing from then on. */
  async uploadPart(
    partNumber: number,
    value: ReadableStream | ArrayBuffer | ArrayBufferView | string | Blob,
  ): Promise<R2UploadedPart> {
    const { disk } = this.#objects;
    const number = Math.trunc(partNumber);
    checkPartNumber(number);
    const content = contentOf(value);
    checkObjectSize("uploadPart", content.length);
    const upload = await this.#open("uploadPart");
    await this.#space.check(disk);
    const etag = `${randomId()}-${content.length}`;
    const path = `${this.#folder}/${number}.${etag}`;
    await writeContent(disk, path, content);
    if (upload.state !== "open") {
      // It ended while the part came, which made an aborted upload's folder once more.
      await disk.remove(upload.state === "aborted" ? this.#folder : path);
      throw r2Error("uploadPart", 10024);
    }
    const replaced = upload.parts.get(number) ?? [];
    upload.parts.set(number, [etag]);
    await this.#removeParts(replaced.map((old) => `${number}.${old}`));
    return { partNumber: number, etag };
  }

  async #removeParts(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#objects.disk.remove(`${this.#folder}/${name}`);
  }

  /** The object of these parts, in the order of their numbers; the others are removed. */
  async complete(uploadedParts: R2UploadedPart[]): Promise<R2Object> {
    const operation = "completeMultipartUpload";
    const upload = await this.#open(operation);
    const chosen = new Map(uploadedParts.map(({ partNumber, etag }) => [partNumber, etag]));
    if (chosen.size < uploadedParts.length) throw r2Error(operation, 10025);
    for (const [partNumber, etag] of chosen) {
      if (upload.parts.get(partNumber)?.includes(etag) !== true) throw r2Error(operation, 10025);
    }
    const names = [...chosen]
      .toSorted(([a], [b]) => a - b)
      .map(([partNumber, etag]) => `${partNumber}.${etag}`);
    const sizes = names.map(partSize);
    checkPartSizes(sizes);
    const descriptor: ObjectDescriptor = {
      key: this.key,
      version: this.uploadId,
      size: sizes.reduce((sum, size) => sum + size, 0),
      etag: `${this.uploadId}-${names.length}`,
      uploadedMs: Date.now(),
      customMetadata: upload.customMetadata,
      parts: { uploadId: this.uploadId, names },
    };
    upload.state = "completed";
    try {
      await this.#objects.put(descriptor);
    } catch (error) {
      upload.state = "open";
      throw error;
    }
    await this.#objects.disk.remove(`${this.#folder}/${openFile}`);
    this.#uploads.forget(this.#folder);
    const kept = new Set(names);
    const all = [...upload.parts].flatMap(([number, etags]) => etags.map((e) => `${number}.${e}`));
    await this.#removeParts(all.filter((name) => !kept.has(name)));
    return new DiskObject(descriptor);
  }

  /** Removes the parts; an upload that has ended, or never was, is fine. */
  async abort(): Promise<void> {
    const upload = await this.#uploads.find(this.#objects.disk, this.#folder);
    if (upload?.state !== "open") return;
    upload.state = "aborted";
    // A crash inside complete() leaves an object of these parts and an upload that looks open.
    const found = await this.#objects.find(this.key);
    const completed = found?.descriptor.parts?.uploadId === this.uploadId;
    await this.#objects.disk.remove(completed ? `${this.#folder}/${openFile}` : this.#folder);
    this.#uploads.forget(this.#folder);
  }
}
