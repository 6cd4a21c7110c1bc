/** The benchmark runs whole, and its load client is not content with wrong answers. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { smoke } from "../../bench/amounts.ts";
import { type Job, runLoad } from "../../bench/load.ts";
import type { Results } from "../../bench/results.ts";
import { rowsOf, suitesOf } from "../../bench/suites.ts";
import { Cleanup } from "./cleanup.ts";
import { run } from "./command.ts";

const cleanup = new Cleanup();
afterAll(async () => cleanup.run());
beforeAll(async () => {
  await run("bash", ["bench/install.sh", "client"]);
});

test("a smoke run with ours alone has a figure in every row", async () => {
  const folder = await cleanup.folder();
  const options = ["--smoke", "--peers", "Longshore", "--storage", folder, "--out", folder];
  const { stdout } = await run(process.execPath, ["bench/bench.ts", ...options]);
  const results = JSON.parse(await readFile(join(folder, "bench.json"), "utf8")) as Results;
  const rows = rowsOf(suitesOf(smoke));
  expect(results.failures).toEqual([]);
  expect(results.rows.map(({ name }) => name)).toEqual(rows.map(({ name }) => name));
  for (const { name, summaries } of results.rows) {
    expect([name, summaries["Longshore"]?.median]).toEqual([name, expect.any(Number)]);
    expect(stdout).toContain(`\n${name} `);
  }
});

test("pushes through the proxy are compared with direct ones, near and far", async () => {
  const folder = await cleanup.folder();
  const little = ["--rounds=1", "--bytes=4194304", "--latency=1", `--storage=${folder}`];
  const { stdout } = await run(process.execPath, ["bench/proxy.ts", ...little]);
  const rows = stdout.split("\n").filter((line) => /^\d layers? of /.test(line));
  expect(rows).toHaveLength(8);
  for (const row of rows) {
    const ratios = row.match(/\d×/g);
    expect([row, ratios?.length]).toEqual([row, row.includes("ms away") ? 2 : 1]);
  }
});

const bytes = 5000;
const digest = `sha256:${createHash("sha256").update(Buffer.alloc(bytes)).digest("hex")}`;
const pull: Job = { task: "pull-layer", repository: "a", digest, bytes, clients: 1 };
const push: Job = { task: "push-layers", repository: "a", bytes, way: "whole", count: 1, seed: 1 };
const manifests: Job = { task: "manifests", repository: "a", existing: 1, count: 1 };

/** Begins uploads, and answers everything else with what is given. */
function uploads(answer: RequestListener): RequestListener {
  return (request, response) => {
    request.resume();
    if (request.method === "HEAD") response.writeHead(404).end();
    else if (request.method === "POST") response.writeHead(202, { Location: "/there" }).end();
    else answer(request, response);
  };
}

test.each<[string, Job, RequestListener, RegExp]>([
  ["another status", pull, (_, response) => response.writeHead(500).end("oh"), /answered 500: oh/],
  ["a short layer", pull, (_, response) => response.end("short"), /5 bytes, not 5000/],
  [
    "a layer that is cut off",
    pull,
    (_, response) => {
      response.writeHead(200, { "Content-Length": bytes });
      response.write("some", () => response.destroy());
    },
    /EOF|4 bytes of 5000/,
  ],
  [
    "other bytes",
    { ...pull, verify: true },
    (_, response) => response.end(Buffer.alloc(bytes, 1)),
    /other bytes came/,
  ],
  [
    "all bytes for a range",
    { ...pull, chunkBytes: 1000 },
    (_, response) => response.end(Buffer.alloc(bytes)),
    /answered 200/,
  ],
  [
    "a layer that is there before its push",
    push,
    (_, response) => response.writeHead(200, { "Content-Length": bytes }).end(),
    /is there before it was pushed/,
  ],
  [
    "a push that is refused",
    push,
    uploads((_, response) => response.writeHead(400).end("no")),
    /PUT \/there\S+ answered 400: no/,
  ],
  [
    "a push of something else",
    push,
    uploads((_, response) => response.writeHead(201, { "Docker-Content-Digest": "x" }).end()),
    /answered for x/,
  ],
  [
    "another manifest",
    { ...manifests, method: "GET" },
    (_, response) => response.end("{}"),
    /another manifest/,
  ],
  [
    "another manifest's digest",
    { ...manifests, method: "HEAD" },
    (_, response) => response.writeHead(200, { "Docker-Content-Digest": digest }).end(),
    /HEAD \S+: sha256/,
  ],
  [
    "a list that lacks one",
    { task: "list", path: "/v2/a/tags/list", existing: 2, count: 1 },
    (_, response) => response.end('{"tags":["1"]}'),
    /lists 1 entries, not 2/,
  ],
  [
    "a job that it does not know",
    { task: "rest" as "list" },
    (_, response) => response.end(),
    /no task/,
  ],
])("the load client fails on %s", async (_, job, listener, complaint) => {
  const server = createServer(listener).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await expect(runLoad(`127.0.0.1:${port}`, job)).rejects.toThrow(complaint);
});
