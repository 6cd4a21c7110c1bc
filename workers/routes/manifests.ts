import { algorithmOf, type Digest } from "../../schemas/digest.ts";
import { RegistryError } from "../../schemas/errors.ts";
import { manifestBytesMax, parseManifest } from "../../schemas/manifest.ts";
import { expectDone } from "../../schemas/outcome.ts";
import { parseTag, type Reference, type Tag } from "../../schemas/reference.ts";
import { readBytes } from "../../streams/body.ts";
import { digestOfBytes } from "../../streams/hash.ts";
import { contentHeaders, notSent, preconditionOf } from "../conditional.ts";
import { type RegistryContext, referenceOf, repositoryNameOf, warnOfRefusal } from "../context.ts";
import { LinkCache } from "../link-cache.ts";
import { readManifest } from "../manifest-reader.ts";

/** end-3: a manifest by tag or digest, byte for byte as it was pushed. */
export async function getManifest(context: RegistryContext): Promise<Response> {
  const repository = repositoryNameOf(context);
  const withBytes = context.req.method !== "HEAD";
  const found = await readManifest(context, repository, referenceOf(context), withBytes);
  return (
    notSent(context, found.digest) ??
    new Response(withBytes ? (found.bytes ?? null) : null, {
      headers: {
        ...contentHeaders(found.digest),
        "Content-Type": found.mediaType,
        "Content-Length": String(found.size),
      },
    })
  );
}

/** How many tags one PUT by digest may name; the spec asks for at least 10. */
const tagsMax = 100;

/** end-7a and end-7b: stores a manifest under its digest, and has the tags that were named name it. */
export async function putManifest(context: RegistryContext): Promise<Response> {
  const { env, req } = context;
  const repository = repositoryNameOf(context);
  const reference = referenceOf(context);
  const announced = Number(req.header("Content-Length") ?? 0);
  const tags = tagsOf(context, reference);
  const bytes =
    announced > manifestBytesMax ? undefined : await readBytes(req.raw.body, manifestBytesMax);
  if (bytes === undefined) {
    throw new RegistryError("MANIFEST_TOO_LARGE", `more than ${manifestBytesMax} bytes`);
  }
  const digest = digestOfManifest(bytes, reference);
  if (!req.header("Content-Type")) warnOfRefusal(context, "the manifest has no Content-Type");
  const manifest = parseManifest(bytes, req.header("Content-Type"));
  const push = { digest, mediaType: manifest.mediaType, size: bytes.length, bytes, manifest };
  const terms = {
    reference,
    precondition: preconditionOf(context),
    mayMoveTags: context.var.mayMoveTags,
  };
  const stub = env.REPOSITORY.getByName(repository);
  expectDone(await stub.putManifest(repository, push, tags, terms));
  return new Response(null, {
    status: 201,
    headers: {
      Location: `/v2/${repository}/manifests/${digest}`,
      "Docker-Content-Digest": digest,
      "Content-Length": "0",
      ...(manifest.subject === undefined ? {} : { "OCI-Subject": manifest.subject }),
      ...(reference.kind === "digest" && tags.length > 0 ? { "OCI-Tag": tags.join(", ") } : {}),
    },
  });
}

/** end-9: deletes a tag, or a manifest with its tags. */
export async function deleteManifest(context: RegistryContext): Promise<Response> {
  const { env } = context;
  const repository = repositoryNameOf(context);
  const reference = referenceOf(context);
  const stub = env.REPOSITORY.getByName(repository);
  expectDone(await stub.deleteManifest(repository, reference, preconditionOf(context)));
  if (reference.kind === "digest" && context.var.configuration.reads !== "strong") {
    await new LinkCache().rememberDeleted(repository, reference.digest);
  }
  return new Response(null, { status: 202, headers: { "Content-Length": "0" } });
}

/** The tag of the path, or the tags of the query. @throws RegistryError TAG_INVALID, TAGS_TOO_MANY */
function tagsOf({ req }: RegistryContext, reference: Reference): Tag[] {
  if (reference.kind === "tag") return [reference.tag];
  const texts = [...new Set(req.queries("tag"))];
  if (texts.length > tagsMax) {
    throw new RegistryError("TAGS_TOO_MANY", `${texts.length} tags, at most ${tagsMax}`);
  }
  return texts.map((text) => {
    const tag = parseTag(text);
    if (tag === undefined) throw new RegistryError("TAG_INVALID", `"${text.slice(0, 300)}"`);
    return tag;
  });
}

/** @throws RegistryError DIGEST_INVALID if the manifest is pushed by another digest than it has */
function digestOfManifest(bytes: Uint8Array, reference: Reference): Digest {
  const algorithm = reference.kind === "digest" ? algorithmOf(reference.digest) : "sha256";
  const digest = digestOfBytes(bytes, algorithm);
  if (reference.kind === "digest" && reference.digest !== digest) {
    throw new RegistryError("DIGEST_INVALID", `the manifest sent is ${digest}`);
  }
  return digest;
}
