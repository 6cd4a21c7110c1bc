/** GET of the statistics: what the registry has, and what pushes found there. */
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { rita } from "./access/credentials.ts";
import {
  digestOf,
  imageManifest,
  indexOf,
  newRepository,
  ociIndex,
  ociManifest,
  pushBlob,
  pushManifest,
  randomBytes,
  refusal,
  send,
} from "./client.ts";
import { pushOneLayer, remove, statusOf } from "./collection/blobs.ts";
import { collect } from "./collection/collecting.ts";
import { settle, takeTime } from "./collection/time.ts";
import { sendTo } from "./configured.ts";
import { close, start, streamed } from "./durable-objects/upload.ts";
import { change, stats } from "./statistics.ts";
import { expectCounted } from "./stored-state.ts";

beforeAll(takeTime);
beforeEach(() => {
  vi.spyOn(console, "info").mockImplementation(() => undefined);
});

describe("a registry of its own", () => {
  test("that is empty has nothing, and found nothing of nothing", async () => {
    expect(await stats()).toEqual({
      repositories: 0,
      images: 0,
      tags: 0,
      layers: { layers: 0, totalSize: 0, cacheHits: 0, cacheMisses: 0, hitRate: 0 },
      repositoryDetails: [],
      uploads: { active: 0, sessions: [] },
    });
  });

  test("with 42 hits and 15 misses has a hit rate of 73.68", async () => {
    const [repository, other] = [newRepository(), newRepository()];
    const layers = Array.from({ length: 15 }, () => randomBytes(100));
    for (let at = 0; at < 15; at += 1) {
      const bytes = layers[at] ?? randomBytes(0);
      // oxlint-disable-next-line no-await-in-loop
      await pushBlob(repository, bytes);
    }
    for (const bytes of layers.slice(0, 14)) {
      /* oxlint-disable no-await-in-loop */
      const digest = digestOf(bytes);
      expect(await statusOf("HEAD", `/v2/${repository}/blobs/${digest}`)).toBe(200);
      await pushBlob(repository, bytes);
      const mount = `/v2/${other}/blobs/uploads/?mount=${digest}&from=${repository}`;
      expect(await statusOf("POST", mount)).toBe(201);
      /* oxlint-enable no-await-in-loop */
    }
    await pushManifest(repository, "latest", indexOf());
    expect((await stats()).layers).toEqual({
      layers: 15,
      totalSize: 1500,
      cacheHits: 42,
      cacheMisses: 15,
      hitRate: 73.68,
    });
  });
});

interface Pushed {
  readonly repository: string;
  readonly digest: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

async function stream(repository: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const location = await start(repository);
  await streamed(location, bytes);
  expect((await close(location, digestOf(bytes))).status).toBe(201);
}

describe("a blob that the registry has counts as found by", () => {
  test.for<{ name: string; hits: number; act: (blob: Pushed) => Promise<unknown> }>([
    {
      name: "HEAD of who may push",
      hits: 1,
      act: ({ repository, digest }) => statusOf("HEAD", `/v2/${repository}/blobs/${digest}`),
    },
    {
      name: "a repeated whole push",
      hits: 1,
      act: ({ repository, bytes }) => pushBlob(repository, bytes),
    },
    {
      name: "a repeated push by PATCH",
      hits: 1,
      act: ({ repository, bytes }) => stream(repository, bytes),
    },
    {
      name: "a whole push elsewhere",
      hits: 1,
      act: ({ bytes }) => pushBlob(newRepository(), bytes),
    },
    {
      name: "a push by PATCH elsewhere",
      hits: 1,
      act: ({ bytes }) => stream(newRepository(), bytes),
    },
    {
      name: "a mount",
      hits: 1,
      act: ({ repository, digest }) =>
        statusOf(
          "POST",
          `/v2/${newRepository()}/blobs/uploads/?mount=${digest}&from=${repository}`,
        ),
    },
    {
      name: "a mount from anywhere",
      hits: 1,
      act: ({ digest }) =>
        statusOf("POST", `/v2/${newRepository()}/blobs/uploads/?mount=${digest}`),
    },
    {
      name: "GET: not",
      hits: 0,
      act: ({ repository, digest }) => statusOf("GET", `/v2/${repository}/blobs/${digest}`),
    },
    {
      name: "HEAD of who may only pull: not",
      hits: 0,
      act: ({ repository, digest }) =>
        sendTo(
          {
            REGISTRY_AUTH_TYPE: "basic",
            USERNAME: "alice",
            PASSWORD: "alice's",
            READONLY_USERNAME: "rita",
            READONLY_PASSWORD: "rita's",
          },
          "HEAD",
          `/v2/${repository}/blobs/${digest}`,
          { headers: rita },
        ),
    },
    {
      name: "HEAD where it is not linked: not",
      hits: 0,
      act: ({ digest }) => statusOf("HEAD", `/v2/${newRepository()}/blobs/${digest}`),
    },
    {
      name: "a mount of what is not there: not",
      hits: 0,
      act: () =>
        statusOf("POST", `/v2/${newRepository()}/blobs/uploads/?mount=${digestOf("nothing")}`),
    },
    {
      name: "a manifest that uses it: not",
      hits: 0,
      act: ({ repository, digest }) =>
        pushManifest(repository, "", imageManifest({ digest, size: 100 }, []), ociManifest),
    },
  ])("$name", async ({ hits, act }) => {
    const [repository, bytes] = [newRepository(), randomBytes(100)];
    const digest = await pushBlob(repository, bytes);
    const found = await change(async () => {
      await act({ repository, digest, bytes });
      // What a HEAD found is told with the next change.
      await pushManifest(repository, "told", indexOf());
    });
    expect(found).toMatchObject({ hits, misses: 0, layers: 0, bytes: 0 });
  });

  test("neither a second time when its repository is told of again", async () => {
    const [repository, bytes] = [newRepository(), randomBytes(100)];
    const digest = await pushBlob(repository, bytes);
    await statusOf("HEAD", `/v2/${repository}/blobs/${digest}`);
    await pushManifest(repository, "one", indexOf());
    expect(await change(() => pushManifest(repository, "two", indexOf()))).toMatchObject({
      hits: 0,
    });
  });

  test("HEAD in a repository that ended and began again", async () => {
    const repository = newRepository();
    const foundBy = async (heads: number): Promise<void> => {
      const digest = await pushBlob(repository, randomBytes(100));
      for (let at = 0; at < heads; at += 1) {
        // oxlint-disable-next-line no-await-in-loop
        await statusOf("HEAD", `/v2/${repository}/blobs/${digest}`);
      }
      await remove(`/v2/${repository}/blobs/${digest}`);
      await settle();
    };
    expect(await change(() => foundBy(2))).toMatchObject({ hits: 2 });
    expect(await change(() => foundBy(1))).toMatchObject({ hits: 1 });
    expect(await change(() => foundBy(3))).toMatchObject({ hits: 3 });
  });
});

describe("what is counted when", () => {
  test.for<{ name: string; work: () => Promise<unknown>; counts: Record<string, number> }>([
    {
      name: "an image is pushed",
      work: () => pushOneLayer(newRepository(), "latest"),
      counts: { repositories: 1, images: 1, tags: 1, layers: 2, bytes: 1100, misses: 2, hits: 0 },
    },
    {
      name: "an index of two images is pushed, by two tags",
      work: async () => {
        const repository = newRepository();
        const images = [await pushOneLayer(repository, "a"), await pushOneLayer(repository, "b")];
        const index = indexOf(
          images.map(({ digest, manifest }) => {
            return { mediaType: ociManifest, digest, size: manifest.length };
          }),
        );
        await pushManifest(repository, "all", index);
        await pushManifest(repository, "latest", index);
      },
      counts: { repositories: 1, images: 2, tags: 4, layers: 4 },
    },
    {
      name: "a list of docker's type is pushed",
      work: () =>
        pushManifest(
          newRepository(),
          "latest",
          JSON.stringify({
            schemaVersion: 2,
            mediaType: "application/vnd.docker.distribution.manifest.list.v2+json",
            manifests: [],
          }),
          "application/vnd.docker.distribution.manifest.list.v2+json",
        ),
      counts: { repositories: 1, images: 0, tags: 1, layers: 0 },
    },
    {
      name: "a referrer is pushed",
      work: async () => {
        const repository = newRepository();
        const digest = await pushBlob(repository, randomBytes(2));
        const subject = { mediaType: ociIndex, digest: digestOf("nothing"), size: 7 };
        const manifest = imageManifest({ digest, size: 2 }, [], { subject });
        await pushManifest(repository, "", manifest, ociManifest);
      },
      counts: { repositories: 1, images: 1, tags: 0, layers: 1, bytes: 2 },
    },
    {
      name: "blobs are pushed without a manifest",
      work: async () => {
        const repository = newRepository();
        await pushBlob(repository, randomBytes(10));
        await pushBlob(repository, randomBytes(20));
      },
      counts: { repositories: 0, images: 0, layers: 2, bytes: 30, misses: 2 },
    },
    {
      name: "a layer is shared by three repositories: once",
      work: async () => {
        const layer = randomBytes(500);
        // oxlint-disable-next-line no-await-in-loop
        for (let at = 0; at < 3; at += 1) await pushOneLayer(newRepository(), "latest", layer);
      },
      counts: { repositories: 3, images: 3, layers: 4, bytes: 800, hits: 2, misses: 4 },
    },
    {
      name: "the same image is pushed again",
      work: async () => {
        const repository = newRepository();
        const { manifest } = await pushOneLayer(repository, "latest");
        await pushManifest(repository, "latest", manifest, ociManifest);
      },
      counts: { repositories: 1, images: 1, tags: 1, layers: 2 },
    },
    {
      name: "a tag moves",
      work: async () => {
        const repository = newRepository();
        await pushOneLayer(repository, "latest");
        await pushOneLayer(repository, "latest");
      },
      counts: { repositories: 1, images: 2, tags: 1, layers: 4 },
    },
    {
      name: "a tag is deleted",
      work: async () => {
        const repository = newRepository();
        await pushOneLayer(repository, "latest");
        await remove(`/v2/${repository}/manifests/latest`);
      },
      counts: { repositories: 1, images: 1, tags: 0, layers: 2 },
    },
    {
      name: "a manifest is deleted: its layers stay for their grace",
      work: async () => {
        const repository = newRepository();
        const { digest } = await pushOneLayer(repository, "latest");
        await settle();
        await remove(`/v2/${repository}/manifests/${digest}`);
      },
      counts: { repositories: 0, images: 0, tags: 0, layers: 2, bytes: 1100 },
    },
    {
      name: "a manifest is deleted, and all is collected",
      work: async () => {
        const repository = newRepository();
        const { digest } = await pushOneLayer(repository, "latest");
        await settle();
        await remove(`/v2/${repository}/manifests/${digest}`);
        await settle();
        await collect("?force=true");
      },
      counts: { repositories: 0, images: 0, tags: 0, layers: 0, bytes: 0, misses: 2 },
    },
  ])("$name", async ({ work, counts }) => {
    // What no manifest uses goes before, as it must not go meanwhile.
    await settle();
    await collect("?force=true");
    expect(await change(work)).toMatchObject(counts);
    await expectCounted();
  });
});

test.for(["POST", "PUT", "DELETE"])("%s is 405", async (method) => {
  const response = await send(method, "/_stats");
  expect(response.headers.get("Allow")).toBe("GET, HEAD, OPTIONS");
  expect(await refusal(response)).toEqual([405, "UNSUPPORTED"]);
});
