import { digestOf, ociManifest, randomBytes } from "../client.ts";
import { type Descriptor, ImageData, layerMediaType } from "./image-data.ts";

export interface DataKind {
  readonly name: string;
  /** How its tags are pushed: by a PUT of each, or in the query of the PUT by digest. */
  readonly tagging: "reference" | "query";
  /** Content of the kind that nobody else has. */
  readonly make: () => ImageData;
}

const sbom = "application/vnd.example.sbom.v1";
const signature = "application/vnd.example.signature.v1";
const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
const noted = { "org.example.note": "a note of its own" };

/** A kind of sha256 that `tag` names. */
function kind(name: string, tag: string, fill: (data: ImageData) => Descriptor): DataKind {
  const make = () => {
    const data = new ImageData();
    data.tag(tag, fill(data));
    return data;
  };
  return { name, tagging: "reference", make };
}

/** A child for each of two platforms. */
function platforms(make: () => Descriptor): Descriptor[] {
  return ["amd64", "arm64"].map((architecture) => ({
    ...make(),
    platform: { os: "linux", architecture },
  }));
}

function imageIndex(data: ImageData): Descriptor {
  return data.index(platforms(() => data.image()));
}

/** A field that no spec knows, with a value that nobody else has. */
function custom(): Record<string, unknown> {
  return { [`org.example.${randomId()}`]: { list: [1, null, "two"], id: randomId() } };
}

function randomId(): string {
  return crypto.randomUUID();
}

/** An index over two images by `algorithm`, where each manifest has a tag and the index has two. */
function taggedByQuery(algorithm: string): ImageData {
  const data = new ImageData(algorithm);
  const index = imageIndex(data);
  data.manifests.forEach((manifest, at) => data.tag(`${algorithm}-query-${at}`, manifest));
  data.tag(`${algorithm}-query`, index);
  return data;
}

/** An image, and an image and two artifacts that have it as subject. */
function withReferrers(data: ImageData): Descriptor {
  const subject = data.image();
  data.image({ subject });
  data.tag("its-sbom", data.artifact(sbom, { subject, annotations: { ...noted, id: randomId() } }));
  const annotations = { ...noted, id: randomId() };
  data.tag("its-signature", data.artifact(signature, { subject, annotations }));
  return subject;
}

/** Layers that are fetched from elsewhere are in no registry. */
function foreignLayer(mediaType: string): Descriptor {
  const digest = digestOf(randomBytes(100));
  return { mediaType, digest, size: 123_456, urls: [`https://store.example.com/${digest}`] };
}

const images: DataKind[] = [
  kind("an image", "image", (data) => data.image()),
  kind("an image of layers without compression", "image-tar", (data) => {
    const layers = [1, 2].map(() => data.blob("application/vnd.oci.image.layer.v1.tar"));
    return data.manifest(data.config(), layers);
  }),
  kind("an image with a manifest of 3.9 MB", "image-large", (data) => {
    const keys = Array.from({ length: 390 }, (_, at) => `org.example.${at}`);
    return data.image({
      annotations: Object.fromEntries(keys.map((key) => [key, "A".repeat(10_000)])),
    });
  }),
  kind("an image without layers", "no-layers", (data) => data.manifest(data.config(), [])),
  kind("an image with layers that may not be distributed", "foreign-layers", (data) =>
    data.manifest(data.config(), [
      foreignLayer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
      foreignLayer("application/vnd.oci.image.layer.nondistributable.v1.tar"),
      data.blob(layerMediaType),
    ]),
  ),
  {
    name: "an image whose descriptors have the field data",
    tagging: "reference",
    make: () => {
      const data = new ImageData("sha256", true);
      data.tag("data-field", data.image());
      return data;
    },
  },
  kind("a Docker image", "docker-image", (data) => data.image({ mediaType: dockerManifest })),
];

const indexes: DataKind[] = [
  kind("an index", "index", imageIndex),
  kind("an index of indexes", "nested-index", (data) =>
    data.index([imageIndex(data), imageIndex(data)]),
  ),
  kind("an empty index", "empty-index", (data) =>
    data.index([], { annotations: { id: randomId() } }),
  ),
  kind("an index with fields that no spec knows, in manifests and configs", "custom", (data) => {
    const image = () => data.manifest(data.config(custom()), [data.blob(layerMediaType)], custom());
    return data.index(platforms(image), custom());
  }),
  kind("a Docker manifest list", "docker-list", (data) =>
    data.index(
      platforms(() => data.image({ mediaType: dockerManifest })),
      { mediaType: dockerList },
    ),
  ),
];

const artifacts: DataKind[] = [
  kind("an artifact", "artifact", (data) => data.artifact(sbom)),
  kind("an artifact whose one layer is the empty one", "artifact-empty", (data) => {
    const empty = data.empty();
    return data.manifest(empty, [empty], { artifactType: sbom, annotations: { id: randomId() } });
  }),
  kind("an index of artifacts", "artifact-index", (data) =>
    data.index(
      platforms(() => data.artifact(sbom)),
      { artifactType: sbom },
    ),
  ),
];

const subjects: DataKind[] = [
  kind("an image and what has it as subject", "subject", withReferrers),
  kind("an index with an index as subject", "index-subject", (data) => {
    const subject = imageIndex(data);
    const children = platforms(() => data.artifact(sbom, { subject, annotations: noted }));
    const annotations = { ...noted, id: randomId() };
    data.tag("its-index", data.index(children, { subject, artifactType: sbom, annotations }));
    return subject;
  }),
  kind("an index with a subject and no artifactType", "index-plain", (data) => {
    const subject = data.image();
    return data.index([], { subject, annotations: { id: randomId() } });
  }),
  kind("an artifact whose subject is missing", "missing-subject", (data) => {
    const subject = { mediaType: ociManifest, digest: digestOf(randomId()), size: 123 };
    return data.artifact(sbom, { subject, annotations: noted });
  }),
];

const algorithms: DataKind[] = [
  {
    name: "an index by sha512",
    tagging: "reference",
    make: () => {
      const data = new ImageData("sha512");
      imageIndex(data);
      return data;
    },
  },
  {
    name: "an image by sha512 and what has it as subject",
    tagging: "query",
    make: () => {
      const data = new ImageData("sha512");
      data.tag("subject-by-sha512", withReferrers(data));
      return data;
    },
  },
  { name: "tags in the query, by sha256", tagging: "query", make: () => taggedByQuery("sha256") },
  { name: "tags in the query, by sha512", tagging: "query", make: () => taggedByQuery("sha512") },
];

/** The kinds as rows of a table. */
export function rowsOf(kinds: readonly DataKind[]): [string, DataKind][] {
  return kinds.map((each) => [each.name, each]);
}

/** Every kind of content that a registry has to keep, find and give back (with all references). */
export const dataKinds: readonly DataKind[] = [
  ...images,
  ...indexes,
  ...artifacts,
  ...subjects,
  ...algorithms,
];

/** The kinds of content of which something is withheld. */
export const sparseKinds: readonly DataKind[] = [
  kind("an image without one of its layers", "sparse-layer", (data) => sparseImage(data)),
  kind("an image without its config", "sparse-config", (data) =>
    data.manifest(data.withhold(data.config()), [data.blob(layerMediaType)]),
  ),
  kind("an image of which there is no blob", "sparse-image", (data) =>
    data.manifest(data.withhold(data.config()), [data.withhold(data.blob(layerMediaType))]),
  ),
  kind("an index without one of its images", "sparse-index", (data) =>
    data.index([data.image(), data.withhold(data.image())]),
  ),
  kind("an index of which there is no image", "sparse-children", (data) =>
    data.index([data.withhold(data.image()), data.withhold(data.image())]),
  ),
  kind("an index without one of its indexes", "sparse-nested", (data) =>
    data.index([imageIndex(data), data.withhold(imageIndex(data))]),
  ),
  kind("an artifact without its blob, with a subject", "sparse-artifact", (data) => {
    const subject = data.image();
    const config = data.empty();
    const layers = [data.withhold(data.blob(sbom))];
    return data.manifest(config, layers, { subject, artifactType: sbom });
  }),
  {
    name: "an image by sha512 without one of its layers",
    tagging: "query",
    make: () => {
      const data = new ImageData("sha512");
      data.tag("sparse-sha512", sparseImage(data));
      return data;
    },
  },
];

function sparseImage(data: ImageData): Descriptor {
  const layers = [data.blob(layerMediaType), data.withhold(data.blob(layerMediaType))];
  return data.manifest(data.config(), layers);
}
