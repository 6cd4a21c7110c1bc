import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import {
  alice,
  basic,
  type Credentials,
  rita,
  tokenRegistry,
  type Variables,
} from "../access/credentials.ts";
import {
  digestOf,
  imageManifest,
  indexOf,
  newRepository,
  ociIndex,
  ociManifest,
  pushBlob,
  pushManifest,
} from "../client.ts";
import { sendTo } from "../configured.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { actionOf, isWritten } from "../../workers/action.ts";
import { routes } from "../../workers/registry.ts";
import { linesOf } from "./lines.ts";

const repository = newRepository();
const source = newRepository();
const free = "a blob that nothing uses";
const used = "{}";
const elsewhere = `a blob of ${source}`;
const image = imageManifest({ digest: digestOf(used), size: used.length }, []);
const kept = indexOf();
const deleted = indexOf();
const other = indexOf();
const absent = digestOf("what nobody pushed");
let registry: Variables;

beforeAll(async () => {
  registry = { ...(await tokenRegistry()), REGISTRY_AUTH_TYPE: "basic" };
  await pushBlob(repository, free);
  await pushBlob(repository, used);
  await pushBlob(source, elsewhere);
  await pushManifest(repository, "image", image, ociManifest);
  await pushManifest(repository, "kept", kept);
  await pushManifest(repository, "gone", kept);
  await pushManifest(repository, "", deleted);
});

async function sessionPath(): Promise<string> {
  const path = `/v2/${repository}/blobs/uploads/`;
  const response = await sendTo(registry, "POST", path, { headers: alice });
  return response.headers.get("Location") ?? "";
}

interface Row {
  readonly what: string;
  readonly method: string;
  readonly path: string | (() => Promise<string>);
  readonly body?: string;
  readonly headers?: Credentials;
  readonly expected: Readonly<Record<string, unknown>> | undefined;
}

const uploads = `/v2/${repository}/blobs/uploads/`;
const manifests = `/v2/${repository}/manifests`;
const blobs = `/v2/${repository}/blobs`;

const writes: Row[] = [
  {
    what: "a blob pushed by POST",
    method: "POST",
    path: `${uploads}?digest=${digestOf("posted")}`,
    body: "posted",
    expected: { action: "push blob", digest: digestOf("posted"), status: 201 },
  },
  {
    what: "a blob pushed by PUT",
    method: "PUT",
    path: async () => `${await sessionPath()}?digest=${digestOf("put")}`,
    body: "put",
    expected: { action: "push blob", digest: digestOf("put"), status: 201 },
  },
  {
    what: "a blob mounted",
    method: "POST",
    path: `${uploads}?mount=${digestOf(elsewhere)}&from=${source}`,
    expected: { action: "mount blob", digest: digestOf(elsewhere), status: 201 },
  },
  {
    what: "a manifest pushed by tag",
    method: "PUT",
    path: `${manifests}/v1`,
    body: other,
    expected: { action: "push manifest", reference: "v1", digest: digestOf(other), status: 201 },
  },
  {
    what: "a manifest pushed by digest with its tags",
    method: "PUT",
    path: `${manifests}/${digestOf(other)}?tag=v2&tag=v3`,
    body: other,
    expected: {
      action: "push manifest",
      reference: digestOf(other),
      digest: digestOf(other),
      tags: "v2, v3",
    },
  },
  {
    what: "a tag deleted",
    method: "DELETE",
    path: `${manifests}/gone`,
    expected: { action: "delete tag", reference: "gone", status: 202 },
  },
  {
    what: "a manifest deleted",
    method: "DELETE",
    path: `${manifests}/${digestOf(deleted)}`,
    expected: { action: "delete manifest", reference: digestOf(deleted), status: 202 },
  },
  {
    what: "a blob deleted",
    method: "DELETE",
    path: `${blobs}/${digestOf(free).replace(":", "%3A")}`,
    expected: { action: "delete blob", reference: digestOf(free), digest: digestOf(free) },
  },
  {
    what: "an upload cancelled",
    method: "DELETE",
    path: sessionPath,
    expected: { action: "cancel upload", status: 204 },
  },
];

const refusals: Row[] = [
  {
    what: "nobody, who pushes",
    method: "PUT",
    path: `${manifests}/kept`,
    body: other,
    headers: basic("", ""),
    expected: {
      who: "anonymous",
      action: "push manifest",
      status: 401,
      code: "UNAUTHORIZED",
      level: "info",
    },
  },
  {
    what: "a wrong password",
    method: "GET",
    path: "/v2/",
    headers: basic("alice", "wrong"),
    expected: { who: "anonymous", action: "ping", status: 401, repository: undefined },
  },
  {
    what: "a reader, who deletes",
    method: "DELETE",
    path: `${manifests}/kept`,
    headers: rita,
    expected: { who: "rita", action: "delete tag", reference: "kept", status: 403, code: "DENIED" },
  },
  {
    what: "the deletion of a blob in use",
    method: "DELETE",
    path: `${blobs}/${digestOf(used)}`,
    expected: { action: "delete blob", digest: digestOf(used), status: 405, code: "UNSUPPORTED" },
  },
  {
    what: "a push whose condition fails",
    method: "PUT",
    path: `${manifests}/kept`,
    body: other,
    headers: { ...alice, "If-Match": `"${absent}"` },
    expected: {
      action: "push manifest",
      reference: "kept",
      status: 412,
      code: "PRECONDITION_FAILED",
    },
  },
];

const nothing: Row[] = [
  { what: "a pull", method: "GET", path: `${manifests}/kept`, expected: undefined },
  { what: "the beginning of an upload", method: "POST", path: uploads, expected: undefined },
  {
    what: "a mount of what is not there",
    method: "POST",
    path: `${uploads}?mount=${absent}`,
    expected: undefined,
  },
  { what: "a chunk", method: "PATCH", path: sessionPath, body: "chunk", expected: undefined },
  {
    what: "a manifest that is none",
    method: "PUT",
    path: `${manifests}/kept`,
    body: "{}",
    expected: undefined,
  },
  {
    what: "a pull of what is not there",
    method: "GET",
    path: `${manifests}/none`,
    expected: undefined,
  },
  {
    what: "a method that no route has",
    method: "DELETE",
    path: "/v2/_catalog",
    expected: undefined,
  },
];

async function auditOf({ method, path, body, headers = alice }: Row) {
  const asked = typeof path === "string" ? path : await path();
  const isImage = body === image;
  const init = {
    ...(body === undefined ? {} : { body }),
    headers: {
      "Content-Type": isImage ? ociManifest : ociIndex,
      "X-Request-Id": "audited",
      ...headers,
    },
  };
  return linesOf("audit", () => sendTo(registry, method, asked, init));
}

describe("the audit", () => {
  test.each(writes)("has a line for $what", async (row) => {
    const common = {
      level: "info",
      who: "alice",
      repository,
      outcome: "done",
      requestId: "audited",
    };
    expect(await auditOf(row)).toMatchObject([{ ...common, ...row.expected }]);
  });

  test.each(refusals)("has a line for $what", async (row) => {
    const common = {
      level: row.expected?.["status"] === 401 ? "info" : "warn",
      outcome: "refused",
    };
    const lines = await auditOf(row);
    expect(lines).toHaveLength(1);
    for (const [field, value] of Object.entries({
      ...common,
      who: "alice",
      repository,
      ...row.expected,
    })) {
      expect([field, lines[0]?.[field]]).toEqual([field, value]);
    }
  });

  test.each(nothing)("has none for $what", async (row) => {
    expect(await auditOf(row)).toEqual([]);
  });

  test("has lines for log-ins: wrong ones at /token, and who has to wait after them", async () => {
    const LOGIN_FAILURES = { limit: async () => ({ success: false }) } as unknown as string;
    const variables = { ...registry, REGISTRY_AUTH_TYPE: "token", LOGIN_FAILURES };
    const headers = { ...basic("alice", "wrong"), "CF-Connecting-IP": crypto.randomUUID() };
    const lines = await linesOf("audit", async () => {
      await sendTo(variables, "GET", "/token", { headers });
      await sendTo(variables, "GET", "/token", { headers });
    });
    expect(lines).toMatchObject([
      { action: "log in", status: 401, outcome: "refused", level: "info" },
      { action: "log in", status: 429, outcome: "refused", level: "warn" },
    ]);
  });
});

test("every route has words for what it is asked for", () => {
  const unnamed = Object.entries(routes).flatMap(([route, handlers]) =>
    Object.keys(handlers).filter(
      (method) => actionOf({ route, method, isTag: false, query: () => undefined }) === undefined,
    ),
  );
  expect(unnamed).toEqual([]);
});

describe("a collection", () => {
  test("is told of with what it takes out of each repository", async () => {
    const emptied = newRepository() as RepositoryName;
    const digest = await pushBlob(emptied, "what no manifest uses");
    const lines = await linesOf("audit", () =>
      env.REPOSITORY.getByName(emptied).collect({ force: true, dryRun: false }),
    );
    expect(lines).toEqual([
      expect.objectContaining({
        who: "collection",
        action: "collect",
        repository: emptied,
        layers: [digest],
        manifests: [],
        outcome: "done",
      }),
    ]);
  });

  test.each([
    ["/_gc?force=true", "collect"],
    ["/_gc", "collect"],
    ["/_gc?dry-run=true&force=true", "plan collection"],
  ])("asked for by POST %s is to %s", (path, action) => {
    const query = new URL(path, "http://registry.test").searchParams;
    const asked = { route: "/_gc", method: "POST", isTag: false };
    expect(actionOf({ ...asked, query: (name) => query.get(name) ?? undefined })).toBe(action);
    expect(isWritten(action, 200)).toBe(action === "collect");
  });
});
