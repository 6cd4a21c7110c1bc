import { CommandError } from "../exit-codes.ts";
import type { RegistryClient } from "../registry-client.ts";
import type { ImageSource, MissingContent } from "./image-source.ts";
import { inParallel } from "./in-parallel.ts";

/** Lines of a list of what is missing; the rest is counted. */
const shownMax = 20;

/**
 * Looks, before anything is sent, whether the registry has in the repository what the source does
 * not have.
 * @throws CommandError that names each digest and where it should have been
 */
export async function refuseMissing(
  client: RegistryClient,
  repository: string,
  { missing }: Pick<ImageSource, "missing">,
  { parallel, signal }: { readonly parallel: number; readonly signal: AbortSignal },
): Promise<void> {
  const nowhere: MissingContent[] = [];
  await inParallel(missing, parallel, async (content) => {
    const kind = content.kind === "blob" ? "blobs" : "manifests";
    const path = `/v2/${repository}/${kind}/${content.digest}`;
    const answer = await client.expect({ method: "HEAD", path, follows: true, signal }, [200, 404]);
    await answer.body.dump();
    if (answer.status === 404) nowhere.push(content);
  });
  if (nowhere.length === 0) return;
  const lines = nowhere.map(
    ({ kind, digest, path, namedBy }) => `  ${kind} ${digest} (${namedBy}): no ${path}`,
  );
  const isPlatforms = nowhere.some(({ kind }) => kind === "manifest");
  const advice = isPlatforms
    ? "fetch the whole image, or push one platform of it with --platform"
    : "write the image again";
  throw new CommandError(
    `nothing was sent, as neither the image nor the registry has:\n${shortened(lines)}\n${advice}`,
  );
}

/** Lines of a list, at most so many. */
export function shortened(lines: readonly string[]): string {
  const more = lines.length - shownMax;
  const shown = lines.slice(0, shownMax).join("\n");
  return more > 0 ? `${shown}\n  and ${more} more` : shown;
}
