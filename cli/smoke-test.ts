import { randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";
import { digestOfBytes } from "./content-digest.ts";
import { CommandError } from "./exit-codes.ts";
import { headerOf, type RegistryAnswer } from "./registry-answer.ts";
import type { RegistryClient } from "./registry-client.ts";

/** One step of a smoke test, and how long it took. */
export interface SmokeStep {
  readonly step: string;
  readonly milliseconds: number;
}

interface Blob {
  readonly bytes: Buffer;
  readonly digest: string;
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";
const configType = "application/vnd.oci.image.config.v1+json";
const layerType = "application/vnd.oci.image.layer.v1.tar";
const layerBytes = 256 * 1024;
const chunkBytes = 160 * 1024;
const tag = "smoke";

/** A step that failed, with what was wrong. */
export class SmokeError extends CommandError {
  readonly step: string;

  constructor(step: string, reason: string) {
    super(`smoke failed at "${step}": ${reason}`);
    this.step = step;
  }
}

/** Pushes, pulls, compares, lists and deletes a small image in a repository of its own. */
export class SmokeTest {
  readonly #client: RegistryClient;
  readonly #repository: string;
  readonly #onStep: (step: SmokeStep) => void;
  readonly #layer = blobOf(randomBytes(layerBytes));
  readonly #config: Blob;
  readonly #manifest: Blob;
  /** What is to be deleted however it ends, by path; the manifest before its blobs. */
  readonly #made: string[] = [];

  /** @param repository that holds nothing else: all that the test pushed there is deleted */
  constructor(client: RegistryClient, repository: string, onStep: (step: SmokeStep) => void) {
    this.#client = client;
    this.#repository = repository;
    this.#onStep = onStep;
    const rootfs = { type: "layers", diff_ids: [this.#layer.digest] };
    const image = { architecture: "amd64", os: "linux", config: {}, rootfs };
    this.#config = blobOf(JSON.stringify(image));
    const config = descriptor(this.#config, configType);
    const layers = [descriptor(this.#layer, layerType)];
    const manifest = { schemaVersion: 2, mediaType: manifestType, config, layers };
    this.#manifest = blobOf(JSON.stringify(manifest));
  }

  /** Runs all steps. @throws SmokeError for the first that fails; what was pushed is gone by then */
  async run(): Promise<readonly SmokeStep[]> {
    const steps: SmokeStep[] = [];
    const timed = async (step: string, action: () => Promise<void>) => {
      const started = performance.now();
      try {
        await action();
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        throw new SmokeError(step, error.message);
      }
      const milliseconds = Math.round(performance.now() - started);
      steps.push({ step, milliseconds });
      this.#onStep({ step, milliseconds });
    };
    try {
      await timed("find the registry", () => this.#find());
      await timed("push a layer in chunks", () => this.#pushInChunks(this.#layer));
      await timed("push a configuration whole", () => this.#pushWhole(this.#config));
      await timed("push a manifest", () => this.#pushManifest());
      await timed("find the blobs", () => this.#findBlobs());
      await timed("pull the image and compare", () => this.#pull());
      await timed("list the tags", () => this.#list());
      await timed("delete the image", () => this.#deleteAll());
      await timed("find nothing left", () => this.#findNothing());
    } finally {
      await this.#clean();
    }
    return steps;
  }

  async #find(): Promise<void> {
    const answer = await this.#ask("GET", "/v2/", [200]);
    await answer.body.dump();
    if (headerOf(answer, "docker-distribution-api-version") === "registry/2.0") return;
    throw new CommandError(`${this.#client.url.origin} is no registry: check the URL`);
  }

  async #pushInChunks({ bytes, digest }: Blob): Promise<void> {
    let location = await this.#beginUpload();
    const session = this.#made.push(location.href) - 1;
    for (let start = 0; start < bytes.length; start += chunkBytes) {
      const chunk = bytes.subarray(start, start + chunkBytes);
      const headers = {
        "content-type": "application/octet-stream",
        "content-range": `${start}-${start + chunk.length - 1}`,
      };
      location = await this.#locationOf("PATCH", location, [202], headers, chunk);
      this.#made[session] = location.href;
    }
    location.searchParams.set("digest", digest);
    await this.#locationOf("PUT", location, [201]);
    this.#made[session] = this.#path(`blobs/${digest}`);
  }

  async #pushWhole({ bytes, digest }: Blob): Promise<void> {
    const location = await this.#beginUpload();
    location.searchParams.set("digest", digest);
    const headers = { "content-type": "application/octet-stream" };
    await this.#locationOf("PUT", location, [201], headers, bytes);
    this.#made.push(this.#path(`blobs/${digest}`));
  }

  async #pushManifest(): Promise<void> {
    const { bytes, digest } = this.#manifest;
    const headers = { "content-type": manifestType };
    const answer = await this.#ask("PUT", this.#path(`manifests/${tag}`), [201], headers, bytes);
    await answer.body.dump();
    this.#made.unshift(this.#path(`manifests/${digest}`));
    expectDigest(answer, digest);
  }

  async #findBlobs(): Promise<void> {
    for (const { bytes, digest } of [this.#layer, this.#config]) {
      const answer = await this.#ask("HEAD", this.#path(`blobs/${digest}`), [200]);
      await answer.body.dump();
      const length = headerOf(answer, "content-length");
      if (length === String(bytes.length)) continue;
      throw new CommandError(`HEAD of ${digest} says ${length ?? "no"} bytes, not ${bytes.length}`);
    }
  }

  async #pull(): Promise<void> {
    const headers = { accept: manifestType };
    await this.#compare(this.#path(`manifests/${tag}`), this.#manifest, headers);
    await this.#compare(this.#path(`manifests/${this.#manifest.digest}`), this.#manifest, headers);
    for (const blob of [this.#layer, this.#config]) {
      await this.#compare(this.#path(`blobs/${blob.digest}`), blob);
    }
  }

  async #compare(path: string, { bytes, digest }: Blob, headers?: Headers): Promise<void> {
    const answer = await this.#client.expect(
      { method: "GET", path, follows: true, ...(headers === undefined ? {} : { headers }) },
      [200],
    );
    const read = Buffer.from(await answer.body.arrayBuffer());
    if (read.equals(bytes)) return;
    const found = `${read.length} bytes with ${digestOfBytes(read)}`;
    throw new CommandError(`${path} has ${found}, not ${bytes.length} bytes with ${digest}`);
  }

  async #list(): Promise<void> {
    const answer = await this.#ask("GET", this.#path("tags/list"), [200]);
    const { tags } = (await answer.body.json()) as { tags?: unknown };
    if (JSON.stringify(tags) === JSON.stringify([tag])) return;
    throw new CommandError(`the tags are ${JSON.stringify(tags)}, not ["${tag}"]`);
  }

  async #deleteAll(): Promise<void> {
    for (let path = this.#made[0]; path !== undefined; path = this.#made[0]) {
      const answer = await this.#ask("DELETE", path, [202, 204, 404]);
      await answer.body.dump();
      this.#made.shift();
    }
  }

  async #findNothing(): Promise<void> {
    const blobs = [this.#layer, this.#config].map(({ digest }) => `blobs/${digest}`);
    for (const path of [`manifests/${tag}`, ...blobs]) {
      const answer = await this.#ask("HEAD", this.#path(path), [404]);
      await answer.body.dump();
    }
  }

  /** After a failure: what can't be deleted now is told by the failure, or goes by a collection. */
  async #clean(): Promise<void> {
    for (const path of this.#made.splice(0)) {
      const answer = await this.#client
        .send({ method: "DELETE", path, repeats: "never" })
        .catch(() => undefined);
      await answer?.body.dump();
    }
  }

  #beginUpload(): Promise<URL> {
    return this.#locationOf("POST", this.#path("blobs/uploads/"), [202]);
  }

  async #locationOf(
    method: string,
    path: string | URL,
    statuses: readonly number[],
    headers?: Headers,
    body?: Buffer,
  ): Promise<URL> {
    const answer = await this.#ask(method, path, statuses, headers, body);
    await answer.body.dump();
    const location = headerOf(answer, "location");
    if (location !== undefined) return new URL(location, answer.url);
    throw new CommandError(`${method} was answered ${answer.status} without a Location`);
  }

  #ask(
    method: string,
    path: string | URL,
    statuses: readonly number[],
    headers: Headers = {},
    body?: Buffer,
  ): Promise<RegistryAnswer> {
    return this.#client.expect({ method, path, headers, body }, statuses);
  }

  #path(rest: string): string {
    return `/v2/${this.#repository}/${rest}`;
  }
}

type Headers = Readonly<Record<string, string>>;

function blobOf(content: Buffer | string): Blob {
  const bytes = Buffer.from(content);
  return { bytes, digest: digestOfBytes(bytes) };
}

function descriptor({ bytes, digest }: Blob, mediaType: string) {
  return { mediaType, digest, size: bytes.length };
}

function expectDigest(answer: RegistryAnswer, digest: string): void {
  const told = headerOf(answer, "docker-content-digest");
  if (told === digest) return;
  throw new CommandError(`Docker-Content-Digest is ${told ?? "not there"}, not ${digest}`);
}
