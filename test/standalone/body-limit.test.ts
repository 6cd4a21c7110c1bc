import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { digestOf, expectUsable, RunningRegistry } from "./running-registry.ts";

const limit = 1_000_000;
const registry = new RunningRegistry({ REGISTRY_MAX_BODY: String(limit) });

test.each([
  ["that announces it", (path: string) => `PATCH ${path}`],
  ["of a blob that comes whole", (path: string) => `PUT ${path}?digest=${digestOf("other")}`],
])("a body %s and is too long is read to its end, and refused as JSON", async (_case, head) => {
  const location = await registry.startUpload("team/app");
  const connection = await registry.connect();
  const answer = await connection.ask(head(location), randomBytes(limit + 1));
  expect(answer.status).toBe(413);
  expect(answer.headers.get("content-type")).toBe("application/json");
  const { errors } = JSON.parse(answer.body.toString()) as { errors: { code: string }[] };
  expect(errors[0]?.code).toBe("DENIED");
  await expectUsable(connection);
  expect(await registry.range(location)).toBe("0--1");
});

/** A PATCH of a stream, whose length nothing says. */
function patchOf(bytes: Buffer): RequestInit {
  // Node asks for `duplex` with a stream; the types are those of workerd.
  const init = { method: "PATCH", body: new Blob([bytes]).stream(), duplex: "half" };
  return init;
}

test("a stream that becomes too long is refused, and its session goes on", async () => {
  const url = registry.url + (await registry.startUpload("team/app"));
  expect((await fetch(url, patchOf(randomBytes(2 * limit)))).status).toBe(413);
  const bytes = randomBytes(limit);
  expect((await fetch(url, patchOf(bytes))).status).toBe(202);
  const put = await fetch(`${url}?digest=${digestOf(bytes)}`, { method: "PUT" });
  expect(put.status).toBe(201);
});
