import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";

export type IndexStub = ReturnType<typeof env.BLOB_INDEX.getByName>;
export type RepositoryStub = ReturnType<typeof env.REPOSITORY.getByName>;

/**
 * Never answers, and says whether it was called: by asking, as a promise of one object that another
 * one awaits has the one go on with the work of the other in this pool.
 */
export function silence(): { call: () => Promise<never>; called: () => Promise<void> } {
  const call = vi.fn(() => new Promise<never>(() => undefined));
  const called = () =>
    vi.waitFor(() => expect(call).toHaveBeenCalledTimes(1), { timeout: 10_000, interval: 20 });
  return { call, called };
}

/** Claims are never answered, and made or not; alarms of other objects drop theirs as ever. */
function cutClaim(isMade: boolean): () => Promise<void> {
  const { call, called } = silence();
  const getByName = env.BLOB_INDEX.getByName.bind(env.BLOB_INDEX);
  vi.spyOn(env.BLOB_INDEX, "getByName").mockImplementation((name) => {
    const stub = getByName(name);
    const claim = async (...input: Parameters<IndexStub["claim"]>) => {
      if (isMade) await stub.claim(...input);
      return call();
    };
    const drop = (...input: Parameters<IndexStub["drop"]>) => stub.drop(...input);
    return { claim, drop } as unknown as IndexStub;
  });
  return called;
}

/** Where a commit is cut off. Each has such a step never end, and waits until it began. */
export const commitSteps: readonly { name: string; cut: () => () => Promise<void> }[] = [
  {
    name: "before complete()",
    cut: () => {
      const { call, called } = silence();
      const resume = env.BLOBS.resumeMultipartUpload.bind(env.BLOBS);
      vi.spyOn(env.BLOBS, "resumeMultipartUpload").mockImplementation((key, id) => {
        const upload = resume(key, id);
        const uploadPart = upload.uploadPart.bind(upload);
        return Object.assign(Object.create(upload) as R2MultipartUpload, {
          uploadPart,
          complete: call,
        });
      });
      return called;
    },
  },
  {
    name: "between complete() and its answer",
    cut: () => {
      const { call, called } = silence();
      const resume = env.BLOBS.resumeMultipartUpload.bind(env.BLOBS);
      vi.spyOn(env.BLOBS, "resumeMultipartUpload").mockImplementation((key, id) => {
        const upload = resume(key, id);
        const uploadPart = upload.uploadPart.bind(upload);
        const complete = upload.complete.bind(upload);
        return Object.assign(Object.create(upload) as R2MultipartUpload, {
          uploadPart,
          complete: async (parts: R2UploadedPart[]) => {
            // It fails when it happened already.
            await complete(parts).catch(() => undefined);
            return call();
          },
        });
      });
      return called;
    },
  },
  { name: "before the claim", cut: () => cutClaim(false) },
  { name: "between the claim and its answer", cut: () => cutClaim(true) },
  {
    name: "before the link",
    cut: () => {
      const { call, called } = silence();
      vi.spyOn(env.REPOSITORY, "getByName").mockReturnValueOnce({
        linkBlob: call,
      } as unknown as RepositoryStub);
      return called;
    },
  },
  {
    name: "between the link and its answer",
    cut: () => {
      const { call, called } = silence();
      const getByName = env.REPOSITORY.getByName.bind(env.REPOSITORY);
      vi.spyOn(env.REPOSITORY, "getByName").mockImplementationOnce((name) => {
        const linkBlob = async (...input: Parameters<RepositoryStub["linkBlob"]>) => {
          await getByName(name).linkBlob(...input);
          return call();
        };
        return { linkBlob } as unknown as RepositoryStub;
      });
      return called;
    },
  },
];
