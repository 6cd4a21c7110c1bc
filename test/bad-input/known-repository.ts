import { expect } from "vitest";
import {
  digestOf,
  imageManifest,
  indexOf,
  newRepository,
  ociIndex,
  ociManifest,
  pushBlob,
  pushManifest,
  randomBytes,
  send,
  startUpload,
} from "../client.ts";

export interface KnownDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** What a row expects of its answer. A HEAD has no body, and so neither code nor message. */
export type Refused = readonly [status: number, code: string, message: RegExp];

/** The answer says what was wrong and what to do. */
export async function expectError(
  response: Response,
  [status, code, message]: Refused,
): Promise<void> {
  const text = await response.text();
  expect(response.status, text).toBe(status);
  const { errors } = JSON.parse(text) as { errors: unknown[] };
  const detail = expect.stringMatching(/^.{10,}$/) as string;
  expect(errors).toEqual([{ code, message: expect.stringMatching(message) as string, detail }]);
}

const sessionBytes = 500;

function descriptorOf(mediaType: string, content: string | Uint8Array): KnownDescriptor {
  return { mediaType, digest: digestOf(content), size: content.length };
}

/**
 * A repository whose whole content is known, and an upload session in it that has the first 500 of
 * 1,000 bytes. Its names and digests can be used in tables, before it is pushed.
 */
export class KnownRepository {
  readonly name = newRepository();
  readonly config: KnownDescriptor;
  readonly layer: KnownDescriptor;
  /** The image manifest that the tag `latest` names, and the index of it that `index` names. */
  readonly image: KnownDescriptor;
  readonly index: KnownDescriptor;
  /** The bytes that the upload session is for. */
  readonly upload = randomBytes(2 * sessionBytes);
  /** The Location of the upload session. */
  session = "";
  readonly #configText = JSON.stringify({ os: "linux", id: crypto.randomUUID() });
  readonly #layerBytes = randomBytes(1000);
  readonly #imageText: string;
  readonly #indexText: string;
  readonly #referrerText: string;
  #content: unknown;

  constructor() {
    this.config = descriptorOf("application/vnd.oci.image.config.v1+json", this.#configText);
    this.layer = descriptorOf("application/vnd.oci.image.layer.v1.tar+gzip", this.#layerBytes);
    this.#imageText = imageManifest(this.config, [this.layer]);
    this.image = descriptorOf(ociManifest, this.#imageText);
    this.#indexText = indexOf([this.image]);
    this.index = descriptorOf(ociIndex, this.#indexText);
    this.#referrerText = indexOf([], { subject: this.image });
  }

  async push(): Promise<void> {
    await pushBlob(this.name, this.#configText);
    await pushBlob(this.name, this.#layerBytes);
    await pushManifest(this.name, "latest", this.#imageText, ociManifest);
    await pushManifest(this.name, "index", this.#indexText);
    await pushManifest(this.name, "", this.#referrerText);
    const location = await startUpload(this.name);
    const patch = await send("PATCH", location, { body: this.upload.slice(0, sessionBytes) });
    this.session = patch.headers.get("Location") ?? "";
    this.#content = await this.#read();
  }

  /** The answer says what was wrong and what to do, and nothing has changed. */
  async expectRefused(response: Response, refused: Refused): Promise<void> {
    await expectError(response, refused);
    await this.expectUnchanged();
  }

  /** Tags, manifests, blobs, referrers and the upload session are as they were pushed. */
  async expectUnchanged(): Promise<void> {
    expect(await this.#read()).toEqual(this.#content);
  }

  /** What each read of the repository answers. */
  #read(): Promise<unknown[]> {
    const path = `/v2/${this.name}`;
    const { config, layer, image, index } = this;
    const references = ["latest", "index", image.digest, index.digest];
    const reads = [
      `${path}/tags/list`,
      `${path}/referrers/${image.digest}`,
      ...[...references, digestOf(this.#referrerText)].map((of) => `${path}/manifests/${of}`),
      ...[config, layer].map(({ digest }) => `${path}/blobs/${digest}`),
      this.session,
    ];
    return Promise.all(
      reads.map(async (read) => {
        const response = await send("GET", read);
        const headers = ["Content-Type", "Docker-Content-Digest", "Range"].map((name) =>
          response.headers.get(name),
        );
        return [read, response.status, headers, digestOf(await response.bytes())];
      }),
    );
  }
}
