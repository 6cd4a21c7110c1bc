import { digestOf } from "./digest.ts";

const repository = "fuzz/witness";
const index = "application/vnd.oci.image.index.v1+json";
const image = "application/vnd.oci.image.manifest.v1+json";

/** A repository that is pushed before the requests and has to be the same after them. */
export class Witness {
  readonly repository = repository;
  /** Of everything that there is to read. */
  readonly paths: readonly string[];
  readonly blob: { readonly repository: string; readonly digest: string; readonly size: number };
  readonly manifest: { readonly digest: string; readonly size: number };
  readonly #url: string;
  #before = "";

  private constructor(
    url: string,
    paths: readonly string[],
    blob: { digest: string; size: number },
    manifest: { digest: string; size: number },
  ) {
    this.#url = url;
    this.paths = paths;
    this.blob = { repository, ...blob };
    this.manifest = manifest;
  }

  /** Pushes blobs, an image with two tags, an index and a referrer. */
  static async push(url: string): Promise<Witness> {
    const layers = [Buffer.from("{}"), Buffer.from("witness ".repeat(1000)), Buffer.alloc(0)];
    const descriptors = await Promise.all(layers.map((bytes) => pushBlob(url, bytes)));
    const [config, ...rest] = descriptors;
    const manifest = await pushManifest(url, "v1", { mediaType: image, config, layers: rest });
    await pushManifest(url, "latest", { mediaType: image, config, layers: rest });
    const listed = await pushManifest(url, "all", { mediaType: index, manifests: [manifest] });
    const referrer = await pushManifest(url, "about", {
      mediaType: image,
      artifactType: "application/about",
      config,
      layers: [],
      subject: manifest,
    });
    const digests = [manifest, listed, referrer].map(({ digest }) => digest);
    const references = [...digests, "v1", "latest", "all", "about"];
    const paths = [
      `/v2/${repository}/tags/list`,
      ...references.map((reference) => `/v2/${repository}/manifests/${reference}`),
      ...descriptors.map(({ digest }) => `/v2/${repository}/blobs/${digest}`),
      ...digests.map((digest) => `/v2/${repository}/referrers/${digest}`),
    ];
    const [blob] = descriptors.slice(1);
    if (blob === undefined) throw new Error("the witness has no layer");
    const witness = new Witness(url, paths, blob, manifest);
    witness.#before = await witness.#read();
    return witness;
  }

  /** What it was and what it is now. */
  async beforeAndAfter(): Promise<[string, string]> {
    return [this.#before, await this.#read()];
  }

  /** Each answer's status, headers and bytes, a line for each. */
  async #read(): Promise<string> {
    const lines = this.paths.map(async (path) => {
      const answer = await fetch(this.#url + path);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      const headers = new Headers(answer.headers);
      // Each answer has another.
      headers.delete("X-Request-Id");
      return `${path} ${answer.status} ${JSON.stringify([...headers])} ${digestOf(bytes)}`;
    });
    return (await Promise.all(lines)).join("\n");
  }
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

async function pushBlob(url: string, bytes: Buffer): Promise<Descriptor> {
  const digest = digestOf(bytes);
  const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
  await push("POST", url + path, bytes, "application/octet-stream");
  return { mediaType: "application/vnd.oci.image.layer.v1.tar", digest, size: bytes.length };
}

async function pushManifest(
  url: string,
  tag: string,
  manifest: { readonly mediaType: string; readonly [field: string]: unknown },
): Promise<Descriptor> {
  const { mediaType } = manifest;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...manifest }));
  await push("PUT", `${url}/v2/${repository}/manifests/${tag}`, bytes, mediaType);
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

async function push(method: string, url: string, bytes: Buffer, mediaType: string): Promise<void> {
  const headers = { "Content-Type": mediaType };
  const answer = await fetch(url, { method, body: new Uint8Array(bytes), headers });
  if (answer.status !== 201) throw new Error(`the witness: ${url}: ${await answer.text()}`);
}
