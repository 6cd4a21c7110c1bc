import { type Digest, parseDigest } from "./digest.ts";

/** A repository name that parseRepositoryName has accepted. */
export type RepositoryName = string & { readonly __brand: "RepositoryName" };

/** A tag that parseTag has accepted. */
export type Tag = string & { readonly __brand: "Tag" };

/** What `/manifests/<reference>` names. */
export type Reference =
  | { readonly kind: "digest"; readonly digest: Digest }
  | { readonly kind: "tag"; readonly tag: Tag };

const repositoryNameCharactersMax = 255;
const part = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const repositoryNamePattern = new RegExp(`^${part}(?:/${part})*$`);
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** The repository name that the text is, or undefined (distribution spec, "Pulling manifests"). */
export function parseRepositoryName(text: string): RepositoryName | undefined {
  if (text.length > repositoryNameCharactersMax || !repositoryNamePattern.test(text)) {
    return undefined;
  }
  return text as RepositoryName;
}

/** The tag that the text is, or undefined (distribution spec, "Pulling manifests"). */
export function parseTag(text: string): Tag | undefined {
  return tagPattern.test(text) ? (text as Tag) : undefined;
}

/** A digest if the text has a colon (no tag has one), a tag otherwise; undefined if it is neither. */
export function parseReference(text: string): Reference | undefined {
  if (text.includes(":")) {
    const digest = parseDigest(text);
    return digest === undefined ? undefined : { kind: "digest", digest };
  }
  const tag = parseTag(text);
  return tag === undefined ? undefined : { kind: "tag", tag };
}
