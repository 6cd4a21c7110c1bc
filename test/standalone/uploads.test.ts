/** Upload sessions over real connections: what only a socket can do to them. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Start, waiting } from "./start-process.ts";

const mebibyte = 1024 * 1024;
let folder = "";
let registry: Start;
let url = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-uploads-"));
  registry = new Start([process.execPath, "standalone/start.ts"], {
    REGISTRY_PORT: "0",
    REGISTRY_STORAGE_PATH: folder,
  });
  url = await registry.url();
});

afterAll(async () => {
  registry.process.kill("SIGTERM");
  await registry.ended;
  await rm(folder, { recursive: true, maxRetries: 10 });
});

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

async function startUpload(repository: string): Promise<string> {
  const response = await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: "POST" });
  return response.headers.get("Location") ?? "";
}

/** Sends a PATCH of unknown length, as docker's graph driver does. */
async function stream(location: string, bytes: Uint8Array): Promise<IncomingMessage> {
  const patch = request(url + location, { method: "PATCH" });
  for (let at = 0; at < bytes.length; at += mebibyte)
    patch.write(bytes.subarray(at, at + mebibyte));
  patch.end();
  const [response] = (await once(patch, "response")) as [IncomingMessage];
  response.resume();
  return response;
}

/** A request that stops after these bytes of its body; the client stays. */
async function stall(head: string, body: Uint8Array): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  socket.write(`${head}\r\nHost: ${hostname}\r\n\r\n`);
  socket.write(body);
  return socket;
}

async function statusLine(socket: Socket): Promise<string> {
  const [answer] = (await once(socket, "data")) as [Buffer];
  return answer.toString("latin1").split("\r\n", 1).join("");
}

async function range(location: string): Promise<string | null> {
  return (await fetch(url + location)).headers.get("Range");
}

/** Long enough for what was sent to have reached its session. */
const arrivalMs = 500;

test(
  "eight streams at once of three parts each become eight blobs",
  { timeout: 120_000 },
  async () => {
    const blobs = Array.from({ length: 8 }, () => randomBytes(24 * mebibyte + 1));
    await Promise.all(
      blobs.map(async (bytes, at) => {
        const location = await startUpload(`eight/r${at}`);
        const patch = await stream(location, bytes);
        expect([patch.statusCode, patch.headers["range"]]).toEqual([202, `0-${bytes.length - 1}`]);
        const put = await fetch(`${url}${location}?digest=${digestOf(bytes)}`, { method: "PUT" });
        expect(put.status).toBe(201);
        const got = await fetch(`${url}/v2/eight/r${at}/blobs/${digestOf(bytes)}`);
        expect(digestOf(await got.bytes())).toBe(digestOf(bytes));
      }),
    );
  },
);

describe("a body that breaks off", () => {
  test.each([
    ["of unknown length", "Transfer-Encoding: chunked", "186a0\r\n"],
    ["with a length", "Content-Length: 5000000", ""],
    ["that is a chunk", "Content-Length: 5000000\r\nContent-Range: 1000-5000999", ""],
  ])("%s leaves the session where it was", async (_case, headers, prefix) => {
    const bytes = randomBytes(5_001_000);
    const location = await startUpload("broken/off");
    await fetch(url + location, {
      method: "PATCH",
      body: bytes.subarray(0, 1000),
      headers: { "Content-Range": "0-999" },
    });
    const body = Buffer.concat([Buffer.from(prefix), bytes.subarray(1000, 101_000)]);
    const socket = await stall(`PATCH ${location} HTTP/1.1\r\n${headers}`, body);
    await sleep(arrivalMs);
    socket.destroy();
    await vi.waitFor(async () => {
      const rest = await fetch(url + location, {
        method: "PATCH",
        body: bytes.subarray(1000),
        headers: { "Content-Range": "1000-5000999" },
      });
      expect(rest.status).toBe(202);
    }, waiting);
    expect(await range(location)).toBe("0-5000999");
    const put = await fetch(`${url}${location}?digest=${digestOf(bytes)}`, { method: "PUT" });
    expect(put.status).toBe(201);
  });
});

test(
  "a PUT whose client is silent for 10 s gives way to its repetition",
  { timeout: 60_000 },
  async () => {
    const bytes = randomBytes(5000);
    const location = await startUpload("silent/put");
    const patch = await fetch(url + location, { method: "PATCH", body: bytes.subarray(0, 1000) });
    const path = `${patch.headers.get("Location")}?digest=${digestOf(bytes)}`;
    const head = `PUT ${path} HTTP/1.1\r\nContent-Length: 4000`;
    const socket = await stall(head, bytes.subarray(1000, 2000));
    await sleep(arrivalMs);
    expect((await fetch(url + location, { method: "PATCH", body: "x" })).status).toBe(416);
    await sleep(11_000);
    const again = await fetch(url + path, { method: "PUT", body: bytes.subarray(1000) });
    expect(again.status).toBe(201);
    socket.destroy();
    const got = await fetch(`${url}/v2/silent/put/blobs/${digestOf(bytes)}`);
    expect(digestOf(await got.bytes())).toBe(digestOf(bytes));
  },
);

test(
  "a PATCH that announces more than any blob has is 413, and others go on meanwhile",
  { timeout: 60_000 },
  async () => {
    const bytes = randomBytes(9 * mebibyte);
    const other = await startUpload("too/long");
    const head = `PATCH ${other} HTTP/1.1\r\nContent-Length: ${bytes.length}`;
    const goesOn = await stall(head, bytes.subarray(0, mebibyte));
    const location = await startUpload("too/long");
    const tooLong = `PATCH ${location} HTTP/1.1\r\nContent-Length: 10000000000000`;
    const socket = await stall(tooLong, randomBytes(10));
    const answer = statusLine(socket);
    goesOn.write(bytes.subarray(mebibyte));
    expect(await statusLine(goesOn)).toMatch(/^HTTP\/1\.1 202 /);
    expect(await answer).toMatch(/^HTTP\/1\.1 413 /);
    const put = await fetch(`${url}${other}?digest=${digestOf(bytes)}`, { method: "PUT" });
    expect(put.status).toBe(201);
    expect(await range(location)).toBe("0--1");
    for (const each of [socket, goesOn]) each.destroy();
  },
);
