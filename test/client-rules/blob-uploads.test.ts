import { describe, expect, test } from "vitest";
import {
  digestOf,
  newRepository,
  pushBlob,
  randomBytes,
  refusal,
  send,
  startUpload,
  stream,
  unfinishedStream,
} from "../client.ts";
import { closing, dockerSize, goTarget, regctlOffset } from "./client-headers.ts";

const mebibyte = 1024 * 1024;
const zeros = `sha256:${"0".repeat(64)}`;

/** Starts a session with this query; answers where a Go client goes on. */
async function post(repository: string, query = ""): Promise<[Response, string]> {
  const path = `/v2/${repository}/blobs/uploads/${query}`;
  const response = await send("POST", path);
  return [response, goTarget(path, response.headers.get("Location"))];
}

describe("oras, podman: POST is exactly 202, says where to go on, and has no body", () => {
  test.each([[""], ["?ns=docker.io"], ["?mount=&from="], ["?origin=docker.io"]])(
    "with %j",
    async (query) => {
      const [response] = await post(newRepository(), query);
      expect(response.status).toBe(202);
      expect(response.headers.get("Content-Length")).toBe("0");
      expect(response.headers.get("Docker-Upload-UUID")).toMatch(/^\S+$/);
      // The .NET SDK goes on from the end of a Range that is more than 0.
      expect([null, "0-0"]).toContain(response.headers.get("Range"));
      expect(await response.text()).toBe("");
    },
  );
});

test("containerd: POST may carry the Content-Type of crane, or any", async () => {
  const headers = { "Content-Type": "application/json" };
  const path = `/v2/${newRepository()}/blobs/uploads/`;
  expect((await send("POST", path, { headers })).status).toBe(202);
});

describe("regctl, .NET: POST names the smallest chunk, between 8 and 32 MiB", () => {
  test.each([[""], [`?mount=${zeros}`]])("with %j", async (query) => {
    const [response] = await post(newRepository(), query);
    const bytes = Number(response.headers.get("OCI-Chunk-Min-Length"));
    expect(bytes).toBeGreaterThanOrEqual(8 * mebibyte);
    expect(bytes).toBeLessThanOrEqual(32 * mebibyte);
  });
});

describe("containerd: a Location needs no escape, no fragment, and no host but the client's", () => {
  const plain = /^\/v2\/[a-z0-9/-]+\/blobs\/uploads\/[A-Za-z0-9_-]+$/;

  test.each([
    ["POST", async (location: string) => location],
    [
      "PATCH",
      async (location: string) =>
        (await send("PATCH", location, { body: "hello" })).headers.get("Location"),
    ],
    ["GET", async (location: string) => (await send("GET", location)).headers.get("Location")],
    [
      "416",
      async (location: string) => {
        const headers = { "Content-Range": "7-11" };
        const refused = await send("PATCH", location, { body: "hello", headers });
        return refused.headers.get("Location");
      },
    ],
  ])("of %s", async (_of, ask) => {
    const location = await ask(await startUpload(newRepository()));
    expect(location).toMatch(plain);
    expect(goTarget("/v2/", location)).toBe(location);
  });
});

describe("regctl: what the query of a session carries is ignored, and never comes back", () => {
  test.each([
    ["mirror's host", "?ns=docker.io"],
    ["crane's origin", "?origin=index.docker.io"],
    ["the digest on a PATCH", `?digest=${digestOf("hello")}`],
    ["another digest on a PATCH", `?digest=${zeros}`],
    ["a state of another registry", "?_state=abc%3D%3D"],
    ["all in another order", "?z=1&_state=x&a=2"],
  ])("%s", async (_case, query) => {
    const location = await startUpload(newRepository());
    const patch = await send("PATCH", location + query, { body: "hello" });
    expect(patch.status).toBe(202);
    const next = patch.headers.get("Location") ?? "";
    expect(next).not.toContain("digest=");
    const put = closing(goTarget(location, next) + query, digestOf("hello"));
    expect((await send("PUT", put)).status).toBe(201);
  });

  test("the digest twice, as it is appended to a Location that has it", async () => {
    const location = await startUpload(newRepository());
    const digest = `digest=${digestOf("hello")}`;
    const put = await send("PUT", `${location}?${digest}&${digest}`, { body: "hello" });
    expect(put.status).toBe(201);
  });
});

describe(".NET: the digest is appended as text", () => {
  test.each([["?&digest="], ["?digest="]])("%s", async (prefix) => {
    const location = await startUpload(newRepository());
    await send("PATCH", location, { body: "hello" });
    const put = `${location}${prefix}${encodeURIComponent(digestOf("hello"))}`;
    expect((await send("PUT", put)).status).toBe(201);
  });
});

describe("docker, podman: a PATCH of unknown length is the whole blob, whatever its headers", () => {
  test.each([
    ["docker: none", {}],
    ["podman: octets", { "Content-Type": "application/octet-stream" }],
    ["curl: a form", { "Content-Type": "application/x-www-form-urlencoded" }],
  ])("%s", async (_case, headers) => {
    const repository = newRepository();
    const bytes = randomBytes(17 * mebibyte + 3);
    const [, target] = await post(repository);
    const patch = await send("PATCH", target, { body: stream(bytes), headers });
    expect(patch.status).toBe(202);
    expect(dockerSize(patch.headers.get("Range"))).toBe(bytes.length);
    const put = closing(goTarget(target, patch.headers.get("Location")), digestOf(bytes));
    expect((await send("PUT", put)).status).toBe(201);
    const head = await send("HEAD", `/v2/${repository}/blobs/${digestOf(bytes)}`);
    expect(head.headers.get("Content-Length")).toBe(String(bytes.length));
  });
});

describe("docker: the Range of a PATCH is the size of the layer", () => {
  test.each([[1], [2], [1000], [65_537], [8 * mebibyte], [8 * mebibyte + 1]])(
    "%i bytes",
    async (size) => {
      const location = await startUpload(newRepository());
      const patch = await send("PATCH", location, { body: stream(randomBytes(size)) });
      expect([patch.status, patch.headers.get("Range")]).toEqual([202, `0-${size - 1}`]);
      expect(dockerSize(patch.headers.get("Range"))).toBe(size);
    },
  );

  test("an empty PATCH answers Range 0-0, which docker can read", async () => {
    const location = await startUpload(newRepository());
    for (const body of [stream(new Uint8Array()), new Uint8Array(), null]) {
      // oxlint-disable-next-line no-await-in-loop
      const patch = await send("PATCH", location, { body });
      expect([patch.status, patch.headers.get("Range")]).toEqual([202, "0-0"]);
      expect(() => dockerSize(patch.headers.get("Range"))).not.toThrow();
    }
  });
});

describe("regctl: a chunk at a wrong offset is 416 with where to go on", () => {
  test.each([
    ["as the first", 0, "5-9"],
    ["behind a gap", 5, "6-10"],
    ["again", 5, "0-4"],
  ])("%s", async (_case, before, range) => {
    const bytes = "helloworld";
    const location = await startUpload(newRepository());
    if (before > 0) await send("PATCH", location, { body: bytes.slice(0, before) });
    const headers = { "Content-Range": range };
    const refused = await send("PATCH", location, { body: "xxxxx", headers });
    expect(refused.status).toBe(416);
    expect(regctlOffset(refused.headers.get("Range"))).toBe(before);
    const target = goTarget(location, refused.headers.get("Location"));
    const rest = await send("PATCH", target, {
      body: bytes.slice(before),
      headers: { "Content-Range": `${before}-9` },
    });
    expect([rest.status, regctlOffset(rest.headers.get("Range"))]).toEqual([202, 10]);
    expect((await send("PUT", closing(target, digestOf(bytes)))).status).toBe(201);
  });
});

describe("regctl: the state of a session is 204 with Location and Range", () => {
  test.each([[0], [1], [1000]])("of %i bytes", async (size) => {
    const location = await startUpload(newRepository());
    if (size > 0) await send("PATCH", location, { body: randomBytes(size) });
    const status = await send("GET", location);
    expect(status.status).toBe(204);
    expect(regctlOffset(status.headers.get("Range"))).toBe(size);
    expect(goTarget(location, status.headers.get("Location"))).toBe(location);
  });
});

test("podman: a session that a mount left is cancelled by DELETE, 204, and is then unknown", async () => {
  const [, target] = await post(newRepository(), `?mount=${zeros}&from=team/none`);
  expect((await send("DELETE", target)).status).toBe(204);
  for (const method of ["GET", "PATCH", "DELETE"]) {
    // oxlint-disable-next-line no-await-in-loop
    expect(await refusal(await send(method, target))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  }
});

/** How clients bring the last bytes. */
const endings: [string, (target: string, digest: string) => Promise<Response>][] = [
  [
    "docker, podman, crane: empty, behind a PATCH",
    async (target, digest) => {
      const patch = await send("PATCH", target, { body: "hello" });
      return send("PUT", closing(goTarget(target, patch.headers.get("Location")), digest));
    },
  ],
  [
    "containerd, oras: the whole body",
    async (target, digest) => send("PUT", closing(target, digest), { body: "hello" }),
  ],
  [
    "containerd: no length",
    async (target, digest) =>
      send("PUT", closing(target, digest), { body: stream(new TextEncoder().encode("hello")) }),
  ],
  [
    "regctl: the last chunk",
    async (target, digest) => {
      const first = await send("PATCH", target, {
        body: "hel",
        headers: { "Content-Range": "0-2" },
      });
      const next = goTarget(target, first.headers.get("Location"));
      const headers = { "Content-Range": "3-4" };
      return send("PUT", closing(next, digest), { body: "lo", headers });
    },
  ],
];

describe("a PUT is exactly 201, with the digest that containerd compares, and the blob's Location", () => {
  test.each(endings)("%s", async (_case, end) => {
    const repository = newRepository();
    const digest = digestOf("hello");
    const [, target] = await post(repository);
    const put = await end(target, digest);
    expect(put.status).toBe(201);
    expect(put.headers.get("Docker-Content-Digest")).toBe(digest);
    const blob = await send("GET", goTarget(target, put.headers.get("Location")));
    expect([blob.status, digestOf(await blob.bytes())]).toEqual([200, digest]);
  });
});

describe("a PUT that is sent again is 201 again", () => {
  const [emptyEnding, wholeEnding, streamEnding, chunkEnding] = endings.map(([, end]) => end);

  test.each([
    ["docker, crane: empty", emptyEnding, null],
    ["containerd: the whole body", wholeEnding, "hello"],
    ["containerd: the whole body, first without a length", streamEnding, "hello"],
    ["regctl: empty, behind chunks", chunkEnding, null],
    ["regctl: the whole body, behind chunks", chunkEnding, "hello"],
  ])("%s", async (_case, end, body) => {
    const repository = newRepository();
    const digest = digestOf("hello");
    const [, target] = await post(repository);
    expect((await end?.(target, digest))?.status).toBe(201);
    for (const attempt of [2, 3]) {
      // oxlint-disable-next-line no-await-in-loop
      const again = await send("PUT", closing(target, digest), { body });
      expect([attempt, again.status]).toEqual([attempt, 201]);
      expect(again.headers.get("Docker-Content-Digest")).toBe(digest);
      const location = goTarget(target, again.headers.get("Location"));
      expect(location).toBe(`/v2/${repository}/blobs/${digest}`);
    }
  });

  test("containerd: its whole body counts from byte 0 when a former one broke off", async () => {
    const repository = newRepository();
    const bytes = randomBytes(100_000);
    const [, target] = await post(repository);
    const put = closing(target, digestOf(bytes));
    const client = new AbortController();
    const body = unfinishedStream(bytes.slice(0, 70_000), () => client.abort());
    await expect(send("PUT", put, { body, signal: client.signal })).rejects.toThrow();
    expect((await send("PUT", put, { body: bytes })).status).toBe(201);
    const blob = await send("GET", `/v2/${repository}/blobs/${digestOf(bytes)}`);
    expect(digestOf(await blob.bytes())).toBe(digestOf(bytes));
  });
});

describe("docker, crane: a body that breaks off neither moves nor ends its session", () => {
  test.each([[0], [5]])("behind %i bytes", async (before) => {
    const location = await startUpload(newRepository());
    const bytes = "helloworld";
    if (before > 0) await send("PATCH", location, { body: bytes.slice(0, before) });
    const client = new AbortController();
    const body = unfinishedStream(randomBytes(1000), () => client.abort());
    await expect(send("PATCH", location, { body, signal: client.signal })).rejects.toThrow();
    const status = await send("GET", location);
    expect(regctlOffset(status.headers.get("Range"))).toBe(before);
    const rest = await send("PATCH", location, { body: bytes.slice(before) });
    expect(dockerSize(rest.headers.get("Range"))).toBe(10);
    expect((await send("PUT", closing(location, digestOf(bytes)))).status).toBe(201);
  });
});

describe("oras: bytes that are not what was announced are 400, and nothing is stored", () => {
  test.each([
    ["a digest of other bytes", "DIGEST_INVALID", zeros, {}],
    [
      "a Content-Range that is longer",
      "SIZE_INVALID",
      digestOf("hello"),
      { "Content-Range": "0-9" },
    ],
    [
      "a Content-Range that is shorter",
      "SIZE_INVALID",
      digestOf("hello"),
      { "Content-Range": "0-3" },
    ],
  ])("%s", async (_case, code, digest, headers) => {
    const repository = newRepository();
    const put = closing(await startUpload(repository), digest);
    const refused = await send("PUT", put, { body: "hello", headers });
    expect(await refusal(refused)).toEqual([400, code]);
    for (const unstored of [digest, digestOf("hello")]) {
      const path = `/v2/${repository}/blobs/${unstored}`;
      // oxlint-disable-next-line no-await-in-loop
      expect((await send("HEAD", path)).status).toBe(404);
    }
  });
});

test("docker: HEAD is 200 at once behind the 201, though it was 404 before", async () => {
  const repository = newRepository();
  const bytes = randomBytes(1000);
  const path = `/v2/${repository}/blobs/${digestOf(bytes)}`;
  expect((await send("HEAD", path)).status).toBe(404);
  expect((await send("GET", path)).status).toBe(404);
  await pushBlob(repository, bytes);
  const head = await send("HEAD", path);
  expect([head.status, head.headers.get("Content-Length")]).toEqual([200, "1000"]);
  expect((await send("GET", path)).status).toBe(200);
});

describe("a mount of a blob that is there is 201 with Location and digest", () => {
  test.each([
    ["docker, containerd: from, as it is", (from: string) => `&from=${from}`],
    [
      "crane: from, escaped, and origin",
      (from: string) => `&from=${encodeURIComponent(from)}&origin=x`,
    ],
    ["regctl: without from", () => ""],
  ])("%s", async (_case, query) => {
    const [source, target] = [newRepository(), newRepository()];
    const digest = await pushBlob(source, randomBytes(100));
    const mount = encodeURIComponent(digest);
    const [response, location] = await post(target, `?mount=${mount}${query(source)}`);
    expect(response.status).toBe(201);
    expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    expect(location).toBe(`/v2/${target}/blobs/${digest}`);
    expect((await send("HEAD", location)).status).toBe(200);
  });
});

describe("containerd: a mount that can't be is 202 with a session, never 403 or 404", () => {
  test.each([
    ["from no repository", `?mount=${zeros}&from=team/none`],
    ["from a name that is none", `?mount=${zeros}&from=Team/../none`],
    ["of what nobody has", `?mount=${zeros}`],
    ["of a digest that is none", "?mount=sha256:x&from=team/none"],
  ])("%s", async (_case, query) => {
    const [response, target] = await post(newRepository(), query);
    expect(response.status).toBe(202);
    const put = await send("PUT", closing(target, digestOf("hello")), { body: "hello" });
    expect(put.status).toBe(201);
  });
});

test("docker, podman: sessions of one layer at the same time all end in 201", async () => {
  const repository = newRepository();
  const bytes = randomBytes(200_000);
  const digest = digestOf(bytes);
  const statuses = await Promise.all(
    Array.from({ length: 10 }, async (_, at) => {
      const [, target] = await post(repository);
      if (at % 2 === 0) return (await send("PUT", closing(target, digest), { body: bytes })).status;
      await send("PATCH", target, { body: stream(bytes) });
      return (await send("PUT", closing(target, digest))).status;
    }),
  );
  expect(new Set(statuses)).toEqual(new Set([201]));
  const blob = await send("GET", `/v2/${repository}/blobs/${digest}`);
  expect(digestOf(await blob.bytes())).toBe(digest);
});

test("regctl: a layer beyond the limit of a request goes on in chunks on the session that a PUT broke", async () => {
  const repository = newRepository();
  const bytes = randomBytes(20 * mebibyte + 5);
  const digest = digestOf(bytes);
  const [response, target] = await post(repository, `?mount=${digest}`);
  const chunkBytes = Number(response.headers.get("OCI-Chunk-Min-Length"));
  const client = new AbortController();
  const body = unfinishedStream(bytes.slice(0, mebibyte), () => client.abort());
  const put = send("PUT", closing(target, digest), { body, signal: client.signal });
  await expect(put).rejects.toThrow();
  // The URL that it goes on with still has the digest.
  let url = closing(target, digest);
  let offset = 0;
  while (offset < bytes.length) {
    const chunk = bytes.slice(offset, offset + chunkBytes);
    const headers = { "Content-Range": `${offset}-${offset + chunk.length - 1}` };
    // oxlint-disable-next-line no-await-in-loop
    const patch = await send("PATCH", url, { body: chunk, headers });
    expect(patch.status).toBe(202);
    expect(regctlOffset(patch.headers.get("Range"))).toBe(offset + chunk.length);
    url = goTarget(url, patch.headers.get("Location"));
    offset = regctlOffset(patch.headers.get("Range"));
  }
  expect((await send("PUT", closing(url, digest))).status).toBe(201);
  const blob = await send("GET", `/v2/${repository}/blobs/${digest}`);
  expect(digestOf(await blob.bytes())).toBe(digest);
});
