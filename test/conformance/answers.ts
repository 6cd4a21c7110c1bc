import { digestOf, ociIndex, ociManifest, send } from "../client.ts";

/** The media types that a client asks for when it pulls. */
const acceptable = [
  ociIndex,
  ociManifest,
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

/** What the spec asks of an answer with content. The body is told by its digest, as it may be long. */
export interface Content {
  readonly status: number;
  readonly type: string | null;
  readonly length: string | null;
  readonly digest: string | null;
  readonly body: string;
}

/** Asks for a manifest or blob, and answers what is compared with `contentOf`. */
export async function read(method: string, path: string): Promise<Content> {
  const response = await send(method, path, { headers: { Accept: acceptable.join(", ") } });
  const digest = response.headers.get("Docker-Content-Digest");
  return {
    status: response.status,
    type: response.headers.get("Content-Type"),
    length: response.headers.get("Content-Length"),
    digest,
    body: digestOf(await response.bytes(), digest?.split(":")[0]),
  };
}

/** The content that GET or HEAD (end-2, end-3) of what was pushed has to answer. */
export function contentOf(
  method: string,
  { mediaType, digest, size }: { mediaType: string; digest: string; size: number },
): Content {
  const algorithm = digest.split(":")[0];
  const body = method === "HEAD" ? digestOf("", algorithm) : digest;
  return { status: 200, type: mediaType, length: String(size), digest, body };
}

/** The content of a blob, which is always answered as bytes of no type. */
export function blobContent(method: string, digest: string, bytes: Uint8Array): Content {
  return contentOf(method, { mediaType: "application/octet-stream", digest, size: bytes.length });
}

/** The statuses of HEAD and GET. */
export function presence(path: string): Promise<number[]> {
  return Promise.all(["HEAD", "GET"].map(async (method) => (await send(method, path)).status));
}

export const here = [200, 200];
export const gone = [404, 404];
