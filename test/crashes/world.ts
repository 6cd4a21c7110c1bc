import { reset } from "cloudflare:test";
import { Buffer } from "node:buffer";
import { expect } from "vitest";
import {
  digestOf,
  imageManifest,
  ociIndex,
  ociManifest,
  pushBlob,
  pushManifest,
  send,
} from "../client.ts";
import { forgetObjects } from "../doubles/call-seam.ts";

export interface Blob {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly digest: string;
}

export interface Manifest {
  readonly text: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly blobs: readonly Blob[];
}

/** The repository that no row changes, the one that all change, and one to mount from. */
export const repositories = { kept: "team/kept", app: "team/app", source: "team/source" } as const;

/** More than R2's first part. */
export const longBytes = 8 * 1024 * 1024 + 1000;

/** The same bytes for the same name, so that each run of an operation makes the same calls. */
export function blobOf(name: string, length = 100): Blob {
  const bytes = new Uint8Array(Buffer.alloc(length, `${name} `));
  return { bytes, digest: digestOf(bytes) };
}

function described(manifest: Manifest) {
  const { digest, mediaType, text } = manifest;
  return { digest, mediaType, size: text.length };
}

function imageOfBlobs(blobs: readonly Blob[], subject?: Manifest): Manifest {
  const [config, ...layers] = blobs.map(({ digest, bytes }) => ({ digest, size: bytes.length }));
  if (config === undefined) throw new Error("an image has a config");
  const more = subject === undefined ? {} : { subject: described(subject) };
  const text = imageManifest(config, layers, more);
  return { text, digest: digestOf(text), mediaType: ociManifest, blobs };
}

/** An image of a config and one layer; one with a subject refers to it. */
export function imageOf(name: string, layer: Blob, subject?: Manifest): Manifest {
  return imageOfBlobs([blobOf(`${name}'s config`), layer], subject);
}

export function indexOf(images: readonly Manifest[]): Manifest {
  const manifests = images.map(described);
  const text = JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests });
  return { text, digest: digestOf(text), mediaType: ociIndex, blobs: [] };
}

export async function pushBlobs(repository: string, { blobs }: Manifest): Promise<void> {
  await Promise.all(blobs.map(({ bytes }) => pushBlob(repository, bytes)));
}

/** What clients may count on, as far as they were answered. */
export class World {
  readonly #images: { repository: string; reference: string; manifest: Manifest }[] = [];
  readonly #blobs: { path: string; blob: Blob }[] = [];
  #gone: string[] = [];

  /** A registry that has nothing but an image that nobody touches, of the layer `shared`. */
  static async begin(shared: Blob): Promise<World> {
    await reset();
    forgetObjects();
    const world = new World();
    await world.push(repositories.kept, "kept", imageOfBlobs([shared]));
    return world;
  }

  /** Pushes an image whole, which then has to stay. */
  async push(repository: string, reference: string, manifest: Manifest): Promise<Manifest> {
    await pushBlobs(repository, manifest);
    await pushManifest(repository, reference, manifest.text, manifest.mediaType);
    this.keeps(repository, reference, manifest);
    return manifest;
  }

  /** A manifest is to be read under its reference and its digest, with all blobs, from now on. */
  keeps(repository: string, reference: string, manifest: Manifest): void {
    this.#images.push({ repository, reference, manifest });
    const prefix = `/v2/${repository}/manifests/`;
    this.#gone = this.#gone.filter(
      (path) => path !== prefix + reference && path !== prefix + manifest.digest,
    );
  }

  /** Nobody counts on what a reference names any more, nor on its manifest being gone. */
  forgets(repository: string, reference: string): void {
    const at = this.#images.findIndex(
      (image) => image.repository === repository && image.reference === reference,
    );
    if (at !== -1) this.#images.splice(at, 1);
  }

  /** A blob was answered to be there; a collection may take it as long as no manifest uses it. */
  has(repository: string, blob: Blob): void {
    this.#blobs.push({ path: `/v2/${repository}/blobs/${blob.digest}`, blob });
  }

  /** What is under the path was answered to be deleted. */
  lost(path: string): void {
    this.#gone.push(path);
  }

  /** Expects that all is there which clients were answered to be, and nothing that was deleted. */
  async expectAsAnswered(): Promise<void> {
    for (const { path, blob } of this.#blobs) {
      // oxlint-disable-next-line no-await-in-loop
      await expectBlob(path, blob);
    }
    await this.expectReadable();
  }

  /** The same but for blobs: a collection may take those that no manifest uses. */
  async expectReadable(): Promise<void> {
    /* oxlint-disable no-await-in-loop */
    for (const { repository, reference, manifest } of this.#images) {
      for (const named of new Set([reference, manifest.digest])) {
        const path = `/v2/${repository}/manifests/${named}`;
        expect(await (await send("GET", path)).text(), path).toBe(manifest.text);
      }
      for (const blob of manifest.blobs) {
        await expectBlob(`/v2/${repository}/blobs/${blob.digest}`, blob);
      }
    }
    for (const path of this.#gone) {
      expect((await send("HEAD", path)).status, `${path} is deleted`).toBe(404);
    }
    /* oxlint-enable no-await-in-loop */
  }
}

async function expectBlob(path: string, { digest }: Blob): Promise<void> {
  const response = await send("GET", path);
  const read = await response.bytes();
  expect([response.status, digestOf(read)], `GET ${path}`).toEqual([200, digest]);
}
