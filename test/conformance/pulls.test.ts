import { beforeAll, describe, expect, test } from "vitest";
import { newRepository } from "../client.ts";
import { blobContent, type Content, contentOf, read } from "./answers.ts";
import { dataKinds, rowsOf } from "./data-kinds.ts";
import type { ImageData } from "./image-data.ts";
import { pushData } from "./pushed-data.ts";

/** What is read of a repository: a path, and the content that a method has to answer. */
type Reads = [string, (method: string) => Content][];

/** All that can be read, by what it is and by what it is named by. */
function readsOf({ manifests, tags, blobs }: ImageData): [string, string, Reads][] {
  const all: [string, string, Reads][] = [
    [
      "end-3",
      "manifest by digest",
      manifests.map((manifest) => [
        `manifests/${manifest.digest}`,
        (method) => contentOf(method, manifest),
      ]),
    ],
    [
      "end-3",
      "manifest by tag",
      [...tags].map(([tag, manifest]) => [
        `manifests/${tag}`,
        (method) => contentOf(method, manifest),
      ]),
    ],
    [
      "end-2",
      "blob",
      [...blobs].map(([digest, bytes]) => [
        `blobs/${digest}`,
        (method) => blobContent(method, digest, bytes),
      ]),
    ],
  ];
  return all.filter(([, , reads]) => reads.length > 0);
}

describe.each(rowsOf(dataKinds))("%s", (_name, kind) => {
  const data = kind.make();
  const repository = newRepository();
  beforeAll(async () => {
    await pushData(data, kind.tagging, repository);
  });

  describe.each(readsOf(data))("%s of each %s", (_end, _what, reads) => {
    test.each([["HEAD"], ["GET"]])(
      "%s: 200 with type, length, digest and bytes",
      async (method) => {
        const answers = reads.map(([path]) => read(method, `/v2/${repository}/${path}`));
        expect(await Promise.all(answers)).toEqual(reads.map(([, expected]) => expected(method)));
      },
    );
  });
});
