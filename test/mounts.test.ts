import { describe, expect, test } from "vitest";
import { digestOf, newRepository, pushBlob, randomBytes, send } from "./client.ts";

function mount(target: string, query: string): Promise<Response> {
  return send("POST", `/v2/${target}/blobs/uploads/?${query}`);
}

const unknown = `sha256:${"0".repeat(64)}`;

describe.each(["sha256", "sha512"])("a mount by %s", (algorithm) => {
  test.each([
    ["from the repository that has it", (from: string) => `&from=${from}`],
    ["from it, escaped", (from: string) => `&from=${encodeURIComponent(from)}`],
    ["with from before mount", (from: string) => `&from=${from}&origin=docker.io`],
    ["from anywhere", () => ""],
  ])("%s is 201 and readable", async (_case, query) => {
    const source = newRepository();
    const target = newRepository();
    const bytes = randomBytes(1000);
    const digest = await pushBlob(source, bytes, algorithm);
    const response = await mount(target, `mount=${encodeURIComponent(digest)}${query(source)}`);
    expect(response.status).toBe(201);
    expect(response.headers.get("Location")).toBe(`/v2/${target}/blobs/${digest}`);
    expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    const head = await send("HEAD", `/v2/${target}/blobs/${digest}`);
    expect(head.status).toBe(200);
    expect(head.headers.get("Content-Length")).toBe("1000");
    const blob = await send("GET", `/v2/${target}/blobs/${digest}`);
    expect(digestOf(await blob.bytes(), algorithm)).toBe(digest);
  });
});

describe("a mount that can't be", () => {
  test.each([
    ["of a blob that nobody has", (from: string) => `mount=${unknown}&from=${from}`],
    ["of a blob that nobody has, from anywhere", () => `mount=${unknown}`],
    ["of a digest that is none", (from: string) => `mount=sha256:xyz&from=${from}`],
    ["of an empty digest", (from: string) => `mount=&from=${from}`],
    ["of md5", (from: string) => `mount=md5:${"0".repeat(32)}&from=${from}`],
    [
      "from a repository that is not there",
      (_from: string, digest: string) => `mount=${digest}&from=team/none`,
    ],
    ["from a name that is none", (_from: string, digest: string) => `mount=${digest}&from=../Team`],
    ["from an empty name", (_from: string, digest: string) => `mount=${digest}&from=`],
    ["with from alone", (from: string) => `from=${from}`],
  ])("%s is 202 with a session that takes the blob", async (_case, query) => {
    const source = newRepository();
    const target = newRepository();
    const bytes = randomBytes(100);
    const digest = await pushBlob(source, bytes);
    const response = await mount(target, query(source, digest));
    expect(response.status).toBe(202);
    expect((await send("HEAD", `/v2/${target}/blobs/${digest}`)).status).toBe(404);
    const location = response.headers.get("Location") ?? "";
    const put = await send("PUT", `${location}?digest=${digest}`, { body: bytes });
    expect(put.status).toBe(201);
  });

  test("from a repository that had it is 202", async () => {
    const source = newRepository();
    const digest = await pushBlob(source, randomBytes(100));
    await send("DELETE", `/v2/${source}/blobs/${digest}`);
    const target = newRepository();
    expect((await mount(target, `mount=${digest}&from=${source}`)).status).toBe(202);
    expect((await mount(target, `mount=${digest}`)).status).toBe(202);
    expect((await send("HEAD", `/v2/${target}/blobs/${digest}`)).status).toBe(404);
  });
});

describe("a mounted blob", () => {
  test("stays when its source goes", async () => {
    const source = newRepository();
    const target = newRepository();
    const digest = await pushBlob(source, randomBytes(100));
    await mount(target, `mount=${digest}&from=${source}`);
    expect((await send("DELETE", `/v2/${source}/blobs/${digest}`)).status).toBe(202);
    expect((await send("HEAD", `/v2/${source}/blobs/${digest}`)).status).toBe(404);
    const blob = await send("GET", `/v2/${target}/blobs/${digest}`);
    expect(digestOf(await blob.bytes())).toBe(digest);
  });

  test("is mounted on, repeatedly, and into its own repository", async () => {
    const [first, second, third] = [newRepository(), newRepository(), newRepository()];
    const digest = await pushBlob(first, randomBytes(100));
    const statuses = [];
    for (const [target, source] of [
      [second, first],
      [second, first],
      [third, second],
      [first, third],
      [first, first],
    ]) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await mount(`${target}`, `mount=${digest}&from=${source}`);
      statuses.push(response.status);
    }
    expect(statuses).toEqual([201, 201, 201, 201, 201]);
  });

  test("goes into ten repositories at once", async () => {
    const source = newRepository();
    const digest = await pushBlob(source, randomBytes(100));
    const targets = Array.from({ length: 10 }, newRepository);
    const mounts = targets.map((target) => mount(target, `mount=${digest}&from=${source}`));
    expect(new Set((await Promise.all(mounts)).map(({ status }) => status))).toEqual(
      new Set([201]),
    );
    const heads = targets.map((target) => send("HEAD", `/v2/${target}/blobs/${digest}`));
    expect(new Set((await Promise.all(heads)).map(({ status }) => status))).toEqual(new Set([200]));
  });
});
