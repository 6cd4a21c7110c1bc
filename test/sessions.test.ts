import { describe, expect, test } from "vitest";
import { digestOf, newRepository, refusal, send, startUpload, stream } from "./client.ts";

const bytes = new Uint8Array(1000).fill(7);
const digest = digestOf(bytes);

/** Every request on a session. */
const requests: [string, string, boolean][] = [
  ["GET", "", false],
  ["PATCH", "", true],
  ["PUT", `?digest=${digest}`, true],
  ["PUT", `?digest=${digest}`, false],
  ["DELETE", "", false],
];

function sendBody(method: string, path: string, hasBody: boolean): Promise<Response> {
  return send(method, path, { body: hasBody ? bytes : null });
}

/** A session with all bytes. */
async function begun(repository: string): Promise<string> {
  const location = await startUpload(repository);
  await send("PATCH", location, { body: stream(bytes) });
  return location;
}

/** Replaces the last segment, the id, of a Location. */
function withId(location: string, change: (id: string) => string): string {
  const slash = location.lastIndexOf("/") + 1;
  return location.slice(0, slash) + change(location.slice(slash));
}

function flipped(id: string, at: number): string {
  return id.slice(0, at) + (id.charAt(at) === "A" ? "B" : "A") + id.slice(at + 1);
}

const tampered: [string, (id: string) => string][] = [
  ["with another first character", (id) => flipped(id, 0)],
  ["with another time", (id) => flipped(id, 26)],
  ["with other flags", (id) => flipped(id, 30)],
  ["with another seal", (id) => flipped(id, id.length - 1)],
  ["that is shorter", (id) => id.slice(0, -1)],
  ["that is longer", (id) => `${id}A`],
  ["that is twice itself", (id) => id + id],
  ["with padding", (id) => `${id}=`],
  ["with a character that no id has", (id) => `${id.slice(0, 5)}!${id.slice(5)}`],
  ["that is a UUID", () => "3f1f3f54-7f2f-4fdd-bf6e-0d7ea0e8a8a1"],
  ["that is one letter", () => "x"],
  ["that is escaped", () => "%2e%2e%2f%2e%2e"],
  ["that is no UTF-8", () => "%ff%fe"],
  ["of a thousand characters", () => "A".repeat(1000)],
];

describe.each(requests)("%s%s, a body: %s,", (method, query, hasBody) => {
  test.each(tampered)("of an id %s is 404", async (_case, change) => {
    const location = await startUpload(newRepository());
    const response = await sendBody(method, withId(location, change) + query, hasBody);
    expect(await refusal(response)).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test("of a session of another repository is 404, and the session goes on", async () => {
    const ours = newRepository();
    const theirs = newRepository();
    const location = await begun(ours);
    const stolen = location.replace(ours, theirs);
    const response = await sendBody(method, stolen + query, hasBody);
    expect(await refusal(response)).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
    expect((await send("PUT", `${location}?digest=${digest}`)).status).toBe(201);
  });
});

describe.each([
  ["with bytes", begun],
  ["without any", startUpload],
])("a cancelled session %s", (_when, begin) => {
  test("answers 204 once, and 404 to a second cancellation", async () => {
    const location = await begin(newRepository());
    const first = await send("DELETE", location);
    expect(first.status).toBe(204);
    expect(await first.text()).toBe("");
    expect(await refusal(await send("DELETE", location))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test.each([
    ["GET", "", false],
    ["PATCH", "", true],
    ["PUT", `?digest=${digest}`, false],
  ])("answers 404 to %s%s", async (method, query, hasBody) => {
    const location = await begin(newRepository());
    await send("DELETE", location);
    const response = await sendBody(method, location + query, hasBody);
    expect(await refusal(response)).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });
});

async function closed(repository: string): Promise<string> {
  const location = await begun(repository);
  expect((await send("PUT", `${location}?digest=${digest}`)).status).toBe(201);
  return location;
}

describe("a closed session", () => {
  test.each([["GET"], ["PATCH"], ["DELETE"]])("%s is 404", async (method) => {
    const location = await closed(newRepository());
    const response = await sendBody(method, location, method === "PATCH");
    expect(await refusal(response)).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test("PUT with another digest is 404", async () => {
    const location = await closed(newRepository());
    const response = await send("PUT", `${location}?digest=sha256:${"0".repeat(64)}`);
    expect(await refusal(response)).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test("ten closing PUTs at once are all 201", async () => {
    const location = await begun(newRepository());
    const puts = Array.from({ length: 10 }, () => send("PUT", `${location}?digest=${digest}`));
    const statuses = (await Promise.all(puts)).map((response) => response.status);
    expect(new Set(statuses)).toEqual(new Set([201]));
  });
});
