import { describe, expect, test } from "vitest";
import { digestOf, RunningRegistry } from "./running-registry.ts";

const registry = new RunningRegistry({ REGISTRY_AUTH_TYPE: "none" });

const index = "application/vnd.oci.image.index.v1+json";
const docker = "application/vnd.docker.distribution.manifest.list.v2+json";

/** An index without a media type of its own: who pushes it says what it is. */
function manifest(number: number): string {
  return JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { n: String(number) } });
}

/** A repository's manifests and blobs, through HTTP. */
class Asked {
  readonly #path: string;

  constructor(repository: string) {
    this.#path = `${registry.url}/v2/${repository}`;
  }

  async ask(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.#path}/${path}`, { method, ...init });
  }

  async put(reference: string, body: string, type = index): Promise<void> {
    const answer = await this.ask("PUT", `manifests/${reference}`, {
      body,
      headers: { "Content-Type": type },
    });
    expect(answer.status).toBe(201);
  }

  async remove(path: string): Promise<void> {
    expect((await this.ask("DELETE", path)).status).toBe(202);
  }

  /** What GET and HEAD agree on, asked thrice: the status, or of a manifest what it is. */
  async read(path: string): Promise<string> {
    const answers = new Set<string>();
    for (const method of ["GET", "HEAD", "GET", "HEAD", "GET", "HEAD"]) {
      // oxlint-disable-next-line no-await-in-loop
      const answer = await this.ask(method, path);
      const { status, headers } = answer;
      // oxlint-disable-next-line no-await-in-loop
      const bytes = await answer.bytes();
      const digest = headers.get("Docker-Content-Digest") ?? "";
      if (method === "GET" && status === 200) expect(digestOf(bytes)).toBe(digest);
      answers.add(status === 200 ? `${digest} ${headers.get("Content-Type")}` : String(status));
    }
    expect(answers.size).toBe(1);
    return [...answers].join("");
  }
}

const first = digestOf(manifest(1));
const second = digestOf(manifest(2));
const blob = "a blob that nothing references";
const blobPath = `blobs/${digestOf(blob)}`;

/** By what is done to a repository that was read: what its reads say from then on. */
const changes: Readonly<
  Record<string, (asked: Asked) => Promise<Readonly<Record<string, string>>>>
> = {
  "a tag that moves": async (asked) => {
    await asked.put("v1", manifest(2));
    return { "manifests/v1": `${second} ${index}`, [`manifests/${first}`]: `${first} ${index}` };
  },
  "a manifest that is pushed as another type": async (asked) => {
    await asked.put("v1", manifest(1), docker);
    return { "manifests/v1": `${first} ${docker}`, [`manifests/${first}`]: `${first} ${docker}` };
  },
  "a tag that is deleted": async (asked) => {
    await asked.remove("manifests/v1");
    return { "manifests/v1": "404", [`manifests/${first}`]: `${first} ${index}` };
  },
  "a manifest that is deleted": async (asked) => {
    await asked.remove(`manifests/${first}`);
    return { "manifests/v1": "404", [`manifests/${first}`]: "404" };
  },
  "a blob that is deleted": async (asked) => {
    await asked.remove(blobPath);
    return { [blobPath]: "404", "manifests/v1": `${first} ${index}` };
  },
  "an image that is deleted with its blob": async (asked) => {
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const config = { mediaType: "text/plain", digest: digestOf(blob), size: blob.length };
    const image = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [] });
    await asked.put("v2", image, mediaType);
    expect(await asked.read("manifests/v2")).toBe(`${digestOf(image)} ${mediaType}`);
    expect(await asked.read(blobPath)).not.toBe("404");
    await asked.remove(`manifests/${digestOf(image)}`);
    await asked.remove(blobPath);
    return { [blobPath]: "404", "manifests/v2": "404", "manifests/v1": `${first} ${index}` };
  },
  "a collection": async () => {
    const answer = await fetch(`${registry.url}/_gc?force=true`, { method: "POST" });
    expect(answer.status).toBe(200);
    return { [blobPath]: "404", "manifests/v1": `${first} ${index}` };
  },
};

describe("what was read is read as it is, behind", () => {
  test.each(Object.entries(changes))("%s", async (name, change) => {
    const repository = `team/${name.replaceAll(" ", "-")}`;
    const asked = new Asked(repository);
    await registry.pushBlob(repository, blob);
    await asked.put("v1", manifest(1));
    const before = [blobPath, "manifests/v1", `manifests/${first}`];
    for (const path of before) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await asked.read(path)).not.toBe("404");
    }
    for (const [path, expected] of Object.entries(await change(asked))) {
      // oxlint-disable-next-line no-await-in-loop
      expect([path, await asked.read(path)]).toEqual([path, expected]);
    }
  });
});

test("a tag that moves all the time is never read as what it was before", async () => {
  const asked = new Asked("team/moving");
  const moves = 150;
  const numbers = new Map(
    Array.from({ length: moves }, (_, number) => [digestOf(manifest(number)), number] as const),
  );
  await asked.put("v1", manifest(0));
  const tag = { told: 0 };
  const move = async (): Promise<void> => {
    for (let number = 1; number < moves; number += 1) {
      // oxlint-disable-next-line no-await-in-loop
      await asked.put("v1", manifest(number));
      tag.told = number;
    }
  };
  let reads = 0;
  const read = async (method: string): Promise<void> => {
    while (tag.told < moves - 1) {
      const least = tag.told;
      // oxlint-disable-next-line no-await-in-loop
      const answer = await asked.ask(method, "manifests/v1");
      // oxlint-disable-next-line no-await-in-loop
      await answer.arrayBuffer();
      const number = numbers.get(answer.headers.get("Docker-Content-Digest") ?? "");
      expect(number).toBeGreaterThanOrEqual(least);
      reads += 1;
    }
  };
  await Promise.all([move(), read("GET"), read("HEAD"), read("GET")]);
  expect(reads).toBeGreaterThan(moves);
});
