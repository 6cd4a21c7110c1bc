import { ociIndexMediaType } from "../../schemas/manifest.ts";
import { expectDone } from "../../schemas/outcome.ts";
import { nextLink, type Page, parsePage } from "../../schemas/pagination.ts";
import { maySee } from "../access/guard.ts";
import { digestOfPath, type RegistryContext, repositoryNameOf } from "../context.ts";
import { visibleRepositories } from "../visible-repositories.ts";
import { jsonResponse } from "../json-response.ts";

/** end-8: the tags of a repository, in byte order. */
export async function listTags(context: RegistryContext): Promise<Response> {
  const repository = repositoryNameOf(context);
  const page = pageOf(context);
  const stub = context.env.REPOSITORY.getByName(repository);
  const { tags, more } = expectDone(await stub.tags(repository, page));
  const link = more ? nextPage(`/v2/${repository}/tags/list`, page, tags.at(-1)) : {};
  return jsonResponse({ name: repository, tags }, { headers: link });
}

/** Docker's catalog: the repositories that the caller may pull from, in byte order. */
export async function listRepositories(context: RegistryContext): Promise<Response> {
  const page = pageOf(context);
  const { names, last } = await visibleRepositories(context.env, page, (name) =>
    maySee(context, name),
  );
  const link = nextPage("/v2/_catalog", page, last);
  return jsonResponse({ repositories: names }, { headers: link });
}

/** end-12: the manifests whose subject is the digest; none is an empty index, never 404. */
export async function listReferrers(context: RegistryContext): Promise<Response> {
  const repository = repositoryNameOf(context);
  const digest = digestOfPath(context);
  const artifactType = context.req.query("artifactType");
  const stub = context.env.REPOSITORY.getByName(repository);
  const { referrers, more } = await stub.referrers(
    digest,
    artifactType === "" ? undefined : artifactType,
    context.req.query("last") ?? "",
  );
  const index = { schemaVersion: 2, mediaType: ociIndexMediaType, manifests: referrers };
  const query = artifactType === undefined ? {} : { artifactType };
  const last = referrers.at(-1)?.digest ?? "";
  const link = nextLink(`/v2/${repository}/referrers/${digest}`, { ...query, last });
  // Exactly this media type, without a charset: ggcr takes any other answer for no referrers API.
  return new Response(JSON.stringify(index), {
    headers: {
      "Content-Type": ociIndexMediaType,
      ...(artifactType ? { "OCI-Filters-Applied": "artifactType" } : {}),
      ...(more ? { Link: link } : {}),
    },
  });
}

function pageOf({ req, var: { configuration } }: RegistryContext): Page {
  return parsePage(req.query("n"), req.query("last"), configuration.pageLimits);
}

function nextPage(path: string, { limit }: Page, last: string | undefined) {
  if (last === undefined) return {};
  return { Link: nextLink(path, { n: String(limit), last }) };
}
