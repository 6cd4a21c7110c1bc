import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request as ask, type RequestListener, type Server } from "node:http";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { prepareFiles } from "../../standalone/machine-files.ts";
import { parseSettings, type Settings, WrongSetting } from "../../standalone/settings.ts";
import { SyncService, syncSocketPath } from "../../standalone/sync-service.ts";
import { WorkerdProcess } from "../../standalone/workerd-process.ts";
import { digestOf } from "./running-registry.ts";

function settingsOf(value: string, storagePath: string): Settings {
  return parseSettings({ REGISTRY_FSYNC: value, REGISTRY_STORAGE_PATH: storagePath });
}

/** "/" and a name that makes a path of this length. */
const pathOf = (bytes: number): string => `/${"ä".repeat((bytes - 1) / 2)}`;

describe("REGISTRY_FSYNC", () => {
  test.each([
    ["", undefined],
    ["false", undefined],
    ["true", "/registry/run/sync"],
  ])("%j has files synced by a socket at %s", (value, expected) => {
    expect(settingsOf(value, "/registry").syncSocketPath).toBe(expected);
  });

  test.each([
    ["yes", "/registry", 'REGISTRY_FSYNC is "yes"; allowed is false or true'],
    [
      "true",
      pathOf(97),
      'REGISTRY_FSYNC is "true", which needs a Unix socket in REGISTRY_STORAGE_PATH',
    ],
  ])("%j with storage at %s is refused", (value, storagePath, refusal) => {
    const parse = (): Settings => settingsOf(value, storagePath);
    expect(parse).toThrow(WrongSetting);
    expect(parse).toThrow(refusal);
  });

  test("fits for a path that leaves the socket room", () => {
    const path = pathOf(93);
    expect(settingsOf("true", path).syncSocketPath).toBe(`${path}/run/sync`);
  });
});

describe("the service that syncs", () => {
  let folder = "";
  let socketPath = "";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "longshore-sync-"));
    socketPath = syncSocketPath(folder) ?? "";
    await mkdir(join(folder, "run"));
    await mkdir(join(folder, "durable-objects/Repository"), { recursive: true });
    await mkdir(join(folder, "blobs/objects/a"), { recursive: true });
    await writeFile(join(folder, "blobs/objects/a/b=2e~.object"), "bytes");
    // What a start that was killed has left.
    await writeFile(socketPath, "");
    await (await SyncService.start(folder, socketPath)).syncFolders();
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each([
    ["a file", "/blobs/objects/a/b=2e~.object", 204],
    ["a file again", "/blobs/objects/a/b=2e~.object", 204],
    ["a file that was removed meanwhile", "/blobs/objects/a/c.object", 204],
    ["a file whose folder was removed meanwhile", "/blobs/parts/a/1.x", 204],
    ["what is not in the storage", "/../etc/passwd", 500],
    ["a path through a file", "/blobs/objects/a/b=2e~.object/c", 500],
  ])("answers for %s", async (_what, path, status) => {
    const request = ask({ socketPath, path, method: "POST" });
    request.end();
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(status);
  });
});

describe("a push", { timeout: 60_000 }, () => {
  let folder = "";
  let url = "";
  let workerd: WorkerdProcess;
  let server: Server;
  /** What was asked to be synced. */
  let asked: string[] = [];
  let syncs: RequestListener;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "longshore-sync-"));
    const socket = join(folder, "sync");
    server = createServer((request, response) => {
      asked.push(request.url ?? "");
      syncs(request, response);
    });
    server.listen(socket);
    const variables = { REGISTRY_AUTH_TYPE: "none", REGISTRY_LOG_LEVEL: "error" };
    const configPath = await prepareFiles({
      storagePath: folder,
      address: "127.0.0.1:0",
      variableNames: Object.keys(variables),
      syncSocketPath: socket,
    });
    workerd = new WorkerdProcess(configPath, variables);
    url = `http://127.0.0.1:${await workerd.listening}`;
  }, 60_000);
  afterAll(async () => {
    workerd.kill();
    await workerd.ended;
    server.close();
    await rm(folder, { recursive: true, maxRetries: 10 });
  });
  afterEach(() => (asked = []));

  async function push(text: string, body: RequestInit): Promise<Response> {
    const begun = await fetch(`${url}/v2/a/blobs/uploads/`, { method: "POST" });
    const location = url + (begun.headers.get("location") ?? "");
    if (body.method === "PATCH") {
      const patched = await fetch(location, body);
      if (patched.status !== 202) return patched;
    }
    const put = body.method === "PATCH" ? {} : body;
    return fetch(`${location}?digest=${digestOf(text)}`, { ...put, method: "PUT" });
  }

  const large = "x".repeat(17 * 1024 * 1024);

  test("of a blob is answered when its file is synced, and not before", async () => {
    let isSynced = false;
    syncs = (_request, response) => {
      setTimeout(() => {
        isSynced = true;
        response.writeHead(204).end();
      }, 300);
    };
    const answer = await push("whole", { body: "whole" });
    expect([answer.status, isSynced]).toEqual([201, true]);
    expect(asked).toEqual([expect.stringMatching(/^\/blobs\/objects\/blobs\/.*\.object$/)]);
  });

  test("of a large blob syncs each part, and then their list", async () => {
    syncs = (_request, response) => response.writeHead(204).end();
    expect((await push(large, { method: "PATCH", body: large })).status).toBe(201);
    const names = asked.map((path) => /^\/blobs\/(parts|objects)\/.*?\/([\d.]*)[^/]*$/.exec(path));
    expect(names.map((name) => [name?.[1], name?.[2]?.split(".")[0]])).toEqual([
      ["parts", ""],
      ["parts", "1"],
      ["parts", "2"],
      ["parts", "3"],
      ["objects", expect.anything()],
    ]);
  });

  test.each([
    [500, 504],
    [507, 507],
  ])("whose file can't be synced (%i) is refused (%i), and taken later", async (word, status) => {
    for (const body of [{ body: `late ${word}` }, { method: "PATCH", body: large.slice(word) }]) {
      syncs = (_request, response) => response.writeHead(word).end("EIO");
      const refused = await push(body.body, body);
      expect(refused.status).toBe(status);
      await refused.arrayBuffer();
      syncs = (_request, response) => response.writeHead(204).end();
      expect((await push(body.body, body)).status).toBe(201);
    }
  });
});
