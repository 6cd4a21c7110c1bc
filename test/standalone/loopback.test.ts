import { describe, expect, test } from "vitest";
import { RunningRegistry } from "./running-registry.ts";

/** Open by itself: nothing about access is set. */
const byItself = new RunningRegistry();
const byWord = new RunningRegistry({ REGISTRY_AUTH_TYPE: "none" });

/** Requests that may come from elsewhere, though they reach a loopback address. */
const foreign: [string, string[]][] = [
  ["a name that resolves to loopback", ["Host: evil.example"]],
  ["a name that begins like loopback", ["Host: 127.0.0.1.evil.example"]],
  ["a page of another origin", ["Origin: https://evil.example"]],
  ["a proxy (X-Forwarded-For)", ["X-Forwarded-For: 203.0.113.7"]],
  ["a proxy (Forwarded)", ["Forwarded: for=203.0.113.7"]],
  ["a proxy (Via)", ["Via: 1.1 proxy"]],
];

describe("a registry that is open by itself", () => {
  test.each(foreign)("refuses %s, and says what to set", async (_case, headers) => {
    const connection = await byItself.connect();
    const hasHost = headers.some((header) => header.startsWith("Host:"));
    const host = hasHost ? [] : [`Host: ${connection.host}`];
    connection.lines("POST /v2/team/app/blobs/uploads/ HTTP/1.1", ...host, ...headers);
    const answer = await connection.answer();
    expect(answer.status).toBe(403);
    expect(answer.body.toString()).toContain('"code":"DENIED"');
    expect(answer.body.toString()).toContain("REGISTRY_AUTH_TYPE=none");
  });

  test.each([["127.0.0.1"], ["127.0.0.1:5000"], ["localhost:5000"], ["127.1.2.3"], ["[::1]:5000"]])(
    "takes Host: %s",
    async (host) => {
      const connection = await byItself.connect();
      connection.lines("GET /v2/ HTTP/1.1", `Host: ${host}`);
      expect((await connection.answer()).status).toBe(200);
    },
  );
});

describe.each(["/healthz", "/readyz"])("%s is answered", (path) => {
  test.each(foreign)("to %s, as it tells nothing of what is stored", async (_case, headers) => {
    const connection = await byItself.connect();
    const hasHost = headers.some((header) => header.startsWith("Host:"));
    const host = hasHost ? [] : [`Host: ${connection.host}`];
    connection.lines(`GET ${path} HTTP/1.1`, ...host, ...headers);
    expect((await connection.answer()).status).toBe(200);
  });
});

test.each(foreign)("one that was told to be open takes %s", async (_case, headers) => {
  const connection = await byWord.connect();
  const hasHost = headers.some((header) => header.startsWith("Host:"));
  const host = hasHost ? [] : [`Host: ${connection.host}`];
  connection.lines("GET /v2/ HTTP/1.1", ...host, ...headers);
  expect((await connection.answer()).status).toBe(200);
});
