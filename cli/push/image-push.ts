import type { Digest } from "../../schemas/digest.ts";
import { CommandError } from "../exit-codes.ts";
import { formatBytes } from "../progress.ts";
import { type PushTarget } from "../push-target.ts";
import { headerOf } from "../registry-answer.ts";
import { type BlobOutcome, type BlobTarget, isWrongDigest, pushBlob } from "./blob-push.ts";
import type { ImageSource, SourceBlob, SourceManifest } from "./image-source.ts";
import { inParallel } from "./in-parallel.ts";
import { shortened } from "./push-plan.ts";

/** What a push did; grows while it goes on. */
export interface PushResult {
  readonly blobs: Record<BlobOutcome["kind"], number>;
  /** Of blobs, sent over the network. */
  bytes: number;
  /** Blobs that the registry does not have yet. */
  missing: readonly Digest[];
}

/** A push of nothing yet. */
export function emptyResult(): PushResult {
  return { blobs: { pushed: 0, mounted: 0, skipped: 0 }, bytes: 0, missing: [] };
}

/**
 * Pushes the blobs of an image, so many at a time, then its manifests, then the tag.
 * @param result told what was done, also of a push that fails
 * @throws CommandError that lists what is missing
 */
export async function pushImage(
  target: BlobTarget & { readonly reference: PushTarget["reference"] },
  source: ImageSource,
  parallel: number,
  result: PushResult,
): Promise<void> {
  const missing = new Map(source.blobs.map((blob) => [blob.digest, blob]));
  result.missing = [...missing.keys()];
  try {
    await inParallel(source.blobs, parallel, async (blob) => {
      const { kind, bytes } = await explained(blob, pushBlob(target, blob));
      result.blobs[kind] += 1;
      result.bytes += bytes;
      missing.delete(blob.digest);
      result.missing = [...missing.keys()];
    });
  } catch (error) {
    if (target.signal.aborted || !(error instanceof CommandError)) throw error;
    const lines = [...missing.values()].map(
      ({ digest, size, path }) => `  ${digest} (${formatBytes(size)}): ${path}`,
    );
    throw new CommandError(
      `${error.message}\nthe registry does not have yet:\n${shortened(lines)}\n` +
        "push again when that is mended: what is there is not sent again",
      { cause: error },
    );
  }
  await pushManifests(target, source);
}

/** What goes wrong with a blob, with where the blob is. */
async function explained(blob: SourceBlob, push: Promise<BlobOutcome>): Promise<BlobOutcome> {
  try {
    return await push;
  } catch (error) {
    if (isWrongDigest(error)) {
      throw new CommandError(`the bytes of ${blob.path} are not ${blob.digest}: write them again`, {
        cause: error,
      });
    }
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (error instanceof CommandError || syscall === undefined) throw error;
    throw new CommandError(`${blob.path} can't be read: ${String(code)}`, { cause: error });
  }
}

async function pushManifests(
  target: BlobTarget & { readonly reference: PushTarget["reference"] },
  source: ImageSource,
): Promise<void> {
  let isReferrersKnown = true;
  for (const manifest of source.manifests) {
    const { reference } = target;
    const isTagged = manifest.digest === source.root && reference.kind === "tag";
    const name = isTagged ? reference.tag : manifest.digest;
    const subjectToldBack = await pushManifest(target, manifest, name);
    if (manifest.manifest.subject !== undefined && subjectToldBack === undefined) {
      isReferrersKnown = false;
    }
  }
  if (!isReferrersKnown) {
    target.progress.line(
      "the registry knows no referrers: what refers to this image is there, and found by digest alone",
    );
  }
}

/** Answers the OCI-Subject header, by which a registry says that it notes referrers. */
async function pushManifest(
  { client, repository, signal }: BlobTarget,
  { digest, mediaType, bytes }: SourceManifest,
  name: string,
): Promise<string | undefined> {
  const answer = await client.expect(
    {
      method: "PUT",
      path: `/v2/${repository}/manifests/${name}`,
      headers: { "content-type": mediaType },
      body: bytes,
      signal,
    },
    [201],
  );
  await answer.body.dump();
  const told = headerOf(answer, "docker-content-digest");
  if (told !== undefined && told !== digest) {
    throw new CommandError(
      `the registry took ${digest} for ${told}: something between here and there changes bodies`,
    );
  }
  return headerOf(answer, "oci-subject");
}
