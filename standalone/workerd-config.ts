import { parse } from "smol-toml";
import { oneBlobIndex } from "../schemas/storage-keys.ts";

/** Where the pieces of one machine are. */
export interface WorkerdPaths {
  /** The bundled modules, as seen from the configuration's file. */
  readonly registry: string;
  /** The folders that hold what is stored, absolute. */
  readonly blobs: string;
  readonly manifests: string;
  readonly tags: string;
  readonly durableObjects: string;
  /** The folder of the BlobIndexes in it: see blobIndexFolder. */
  readonly blobIndexes: BlobIndexFolder;
  /** The files that HTTPS is served with, as seen from the configuration's file; HTTP without. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** The Unix socket, absolute, of what syncs files (see sync-service.ts), if anything does. */
  readonly syncSocket?: string;
}

/** Those that have a BlobIndex of their own for each first two digits, or one for all. */
export const blobIndexFolders = { many: "BlobIndex", one: "OneBlobIndex" } as const;
export type BlobIndexFolder = (typeof blobIndexFolders)[keyof typeof blobIndexFolders];

/** The Durable Objects' classes and the bindings of their namespaces. */
const namespaces = {
  UPLOAD_SESSION: "UploadSession",
  REPOSITORY: "Repository",
  BLOB_INDEX: "BlobIndex",
  CATALOG: "Catalog",
  MAINTENANCE: "Maintenance",
};

/** The folders of those of which there are a few for all repositories: they stay open. */
const kept: ReadonlySet<string> = new Set([
  blobIndexFolders.one,
  namespaces.CATALOG,
  namespaces.MAINTENANCE,
]);

/** The name of the socket, for workerd to say which one listens. */
export const socketName = "http";

/**
 * A configuration for `workerd serve`, in Cap'n Proto's text format (workerd.capnp is its schema).
 * Variables are named in it and read from workerd's environment, so that no secret gets into a file.
 */
export function workerdConfig(
  paths: WorkerdPaths,
  address: string,
  variableNames: readonly string[],
  compatibilityDate: string,
): string {
  const bindings = [
    `(name = "BLOBS", service = "blobs")`,
    `(name = "MANIFESTS", service = "manifests")`,
    `(name = "TAGS", service = "tags")`,
    ...Object.entries(namespaces).map(
      ([binding, className]) => `(name = "${binding}", durableObjectNamespace = "${className}")`,
    ),
    ...(paths.blobIndexes === blobIndexFolders.one
      ? [`(name = "${oneBlobIndex}", text = "true")`]
      : []),
    ...(paths.syncSocket === undefined ? [] : [`(name = "SYNC", service = "sync")`]),
    ...variableNames.map((name) => `(name = ${quoted(name)}, fromEnvironment = ${quoted(name)})`),
  ];
  // The unique key is the folder's name.
  const classes = Object.values(namespaces).map((name) => {
    const folder = name === namespaces.BLOB_INDEX ? paths.blobIndexes : name;
    const more = kept.has(folder) ? ", preventEviction = true" : "";
    return `(className = "${name}", uniqueKey = "${folder}", enableSql = true${more})`;
  });
  const date = `compatibilityDate = ${quoted(compatibilityDate)}`;
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "registry", worker = (
      modules = [(name = "registry.js", esModule = embed ${quoted(paths.registry)})],
      ${date},
      bindings = [
        ${bindings.join(",\n        ")}
      ],
      durableObjectNamespaces = [
        ${classes.join(",\n        ")}
      ],
      durableObjectStorage = (localDisk = "durable-objects")
    )),
    (name = "internet", network = (
      allow = ["public", "private", "local"],
      tlsOptions = (trustBrowserCas = true)
    )),
    ${disk("blobs", paths.blobs)},
    ${disk("manifests", paths.manifests)},
    ${disk("tags", paths.tags)},
    ${[disk("durable-objects", paths.durableObjects), ...syncService(paths)].join(",\n    ")}
  ],
  sockets = [(
    name = "${socketName}",
    address = ${quoted(address)},
    ${protocol(paths)},
    service = "registry"
  )]
);
`;
}

/** The key stays where it is: workerd reads the file itself. */
function protocol({ tls }: WorkerdPaths): string {
  if (tls === undefined) return "http = ()";
  const files = [
    `privateKey = embed ${quoted(tls.key)}`,
    `certificateChain = embed ${quoted(tls.certificate)}`,
  ];
  const options = [`keypair = (${files.join(", ")})`, "minVersion = tls1Dot2"];
  return `https = (options = (), tlsOptions = (${options.join(", ")}))`;
}

function syncService({ syncSocket }: WorkerdPaths): string[] {
  if (syncSocket === undefined) return [];
  return [`(name = "sync", external = (address = ${quoted(`unix:${syncSocket}`)}, http = ()))`];
}

function disk(name: string, path: string): string {
  return `(name = "${name}", disk = (path = ${quoted(path)}, writable = true))`;
}

/** Cap'n Proto's strings have JSON's escapes, but for characters beyond ASCII, which stay bytes. */
function quoted(text: string): string {
  const escaped = text.replaceAll(/["\\]/g, String.raw`\$&`);
  // oxlint-disable-next-line no-control-regex
  return `"${escaped.replaceAll(/[\u0000-\u001F\u007F]/g, (control) => {
    return String.raw`\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`;
  })}"`;
}

/** The compatibility date in the text of wrangler.toml, so that one machine and deployments agree. */
export function compatibilityDateOf(wranglerToml: string): string {
  const date = parse(wranglerToml)["compatibility_date"];
  if (typeof date !== "string") throw new Error("wrangler.toml has no compatibility_date");
  return date;
}
