import { describe, expect, test } from "vitest";
import { digestOf, newRepository, pushBlob, randomBytes, send } from "../client.ts";
import { blobContent, gone, here, presence, read } from "./answers.ts";

interface Mount {
  readonly source: string;
  readonly target: string;
  readonly digest: string;
}

const queries: [string, (mount: Mount) => string][] = [
  ["of the repository that has it", ({ source, digest }) => `mount=${digest}&from=${source}`],
  ["of no repository", ({ digest }) => `mount=${digest}`],
];

function post(mount: Mount, query: (mount: Mount) => string): Promise<Response> {
  return send("POST", `/v2/${mount.target}/blobs/uploads/?${query(mount)}`);
}

describe.each(["sha256", "sha512"])("a mount by %s", (algorithm) => {
  async function pushed(bytes: Uint8Array<ArrayBuffer>): Promise<Mount> {
    const source = newRepository();
    const digest = await pushBlob(source, bytes, algorithm);
    return { source, target: newRepository(), digest };
  }

  test.each(queries)(
    "end-11 with the name %s: 201 with a Location that is read, end-2 HEAD and GET 200",
    async (_name, query) => {
      const bytes = randomBytes(512);
      const mount = await pushed(bytes);
      const answer = await post(mount, query);
      expect([answer.status, answer.headers.get("Docker-Content-Digest")]).toEqual([
        201,
        mount.digest,
      ]);
      const path = `/v2/${mount.target}/blobs/${mount.digest}`;
      for (const [method, at] of [
        ["GET", answer.headers.get("Location") ?? ""],
        ["HEAD", path],
        ["GET", path],
      ] as const) {
        // oxlint-disable-next-line no-await-in-loop
        expect(await read(method, at)).toEqual(blobContent(method, mount.digest, bytes));
      }
    },
  );

  test.each(queries)(
    "end-11 with the name %s: end-10 DELETE 202 in either, the other's stays until its own",
    async (_name, query) => {
      const mount = await pushed(randomBytes(512));
      expect((await post(mount, query)).status).toBe(201);
      const [first, second] = [mount.target, mount.source].map(
        (repository) => `/v2/${repository}/blobs/${mount.digest}`,
      ) as [string, string];
      expect((await send("DELETE", first)).status).toBe(202);
      expect([await presence(first), await presence(second)]).toEqual([gone, here]);
      expect((await send("DELETE", second)).status).toBe(202);
      expect([await presence(first), await presence(second)]).toEqual([gone, gone]);
    },
  );

  test.each(queries)(
    "end-11 with the name %s, which has no such blob: 202 and a session that end-6 closes",
    async (_name, query) => {
      const bytes = randomBytes(512);
      const digest = digestOf(bytes, algorithm);
      const mount = { source: newRepository(), target: newRepository(), digest };
      const answer = await post(mount, query);
      expect(answer.status).toBe(202);
      expect(await presence(`/v2/${mount.target}/blobs/${digest}`)).toEqual(gone);
      const location = answer.headers.get("Location") ?? "";
      const put = await send("PUT", `${location}?digest=${digest}`, { body: bytes });
      expect(put.status).toBe(201);
      const stored = put.headers.get("Location") ?? "";
      expect(await read("GET", stored)).toEqual(blobContent("GET", digest, bytes));
      expect(await presence(`/v2/${mount.source}/blobs/${digest}`)).toEqual(gone);
    },
  );
});
