import { newRepository, pushBlob, putManifest } from "../client.ts";
import type { DataKind } from "./data-kinds.ts";
import type { DataManifest, ImageData } from "./image-data.ts";

/** Content in a repository, where nothing else is. */
export interface PushedData {
  readonly repository: string;
  readonly data: ImageData;
}

/** Puts a manifest under its digest, with tags in the query (end-7a, end-7b). */
export function putByDigest(
  repository: string,
  { digest, bytes, mediaType }: DataManifest,
  tags: readonly string[] = [],
): Promise<Response> {
  const query = tags.map((tag) => `tag=${tag}`).join("&");
  return putManifest(
    repository,
    tags.length === 0 ? digest : `${digest}?${query}`,
    bytes,
    mediaType,
  );
}

/** The tags that name a manifest. */
export function tagsOf({ tags }: Pick<ImageData, "tags">, { digest }: DataManifest): string[] {
  return [...tags].filter(([, tagged]) => tagged.digest === digest).map(([tag]) => tag);
}

export async function pushBlobs(
  repository: string,
  { blobs, algorithm }: Pick<ImageData, "blobs" | "algorithm">,
): Promise<void> {
  await Promise.all([...blobs.values()].map((bytes) => pushBlob(repository, bytes, algorithm)));
}

/** Puts the manifests and tags, in an order in which nothing is missing; all the answers. */
export async function putManifests(
  repository: string,
  data: Pick<ImageData, "manifests" | "tags">,
  tagging: DataKind["tagging"],
): Promise<Response[]> {
  const answers: Response[] = [];
  for (const manifest of data.manifests) {
    const tags = tagging === "query" ? tagsOf(data, manifest) : [];
    // oxlint-disable-next-line no-await-in-loop
    answers.push(await putByDigest(repository, manifest, tags));
  }
  if (tagging === "query") return answers;
  const tagged = [...data.tags].map(([tag, { bytes, mediaType }]) =>
    putManifest(repository, tag, bytes, mediaType),
  );
  return [...answers, ...(await Promise.all(tagged))];
}

/** Pushes all of the data, which has to be taken. */
export async function pushData(
  data: ImageData,
  tagging: DataKind["tagging"] = "reference",
  repository = newRepository(),
): Promise<PushedData> {
  await pushBlobs(repository, data);
  for (const answer of await putManifests(repository, data, tagging)) {
    // oxlint-disable-next-line no-await-in-loop
    if (answer.status !== 201) throw new Error(`push of a manifest: ${await answer.text()}`);
  }
  return { repository, data };
}
