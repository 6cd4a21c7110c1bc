import { env } from "cloudflare:workers";

/** The R2 objects that were written for a repository. */
export async function storedObjects(repository: string): Promise<R2Object[]> {
  const found: R2Object[] = [];
  let cursor: string | undefined;
  do {
    // oxlint-disable-next-line no-await-in-loop
    const page = await env.BLOBS.list({
      include: ["customMetadata"],
      ...(cursor === undefined ? {} : { cursor }),
    });
    found.push(
      ...page.objects.filter((object) => object.customMetadata?.["repository"] === repository),
    );
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return found;
}

/** Their sizes in bytes. */
export async function storedSizes(repository: string): Promise<number[]> {
  return (await storedObjects(repository)).map((object) => object.size);
}
