import { env } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { countedEnv } from "../../workers/counted-env.ts";

/** Every binding of Durable Objects that wrangler.toml has. */
const namespaces = Object.entries({ ...env })
  .filter(
    ([, binding]: [string, unknown]) => binding?.constructor.name === "DurableObjectNamespace",
  )
  .map(([name]) => name);

/** What is told while `ask` uses an environment with these bindings. */
async function toldOf(
  bindings: Readonly<Record<string, unknown>>,
  ask: (counted: Env) => unknown,
): Promise<string[]> {
  const told: string[] = [];
  const counted = countedEnv(bindings as unknown as Env, (...operation) => {
    told.push(operation.join(" "));
  });
  await ask(counted);
  return told;
}

test("there are bindings of objects", () => {
  expect(namespaces).toContain("REPOSITORY");
});

test.each(namespaces)("tells of calls of %s, by the class", async (name) => {
  const stub = { ask: (word: string) => `${word}!` };
  const namespace = { getByName: () => stub };
  let answer: unknown;
  const told = await toldOf({ [name]: namespace }, (counted) => {
    const binding = Reflect.get(counted, name) as typeof namespace;
    answer = binding.getByName().ask("well");
  });
  const className = name
    .toLowerCase()
    .replaceAll(/(?:^|_)(\w)/g, (_, first: string) => first.toUpperCase());
  expect([told, answer]).toEqual([[`objects ${className} ask`], "well!"]);
});

describe("tells of stores", () => {
  test("each operation of R2, also of an upload, and keeps what a method needs", async () => {
    const told = await toldOf({ BLOBS: env.BLOBS }, async ({ BLOBS }) => {
      await BLOBS.put("counted/a", "a");
      expect(await (await BLOBS.get("counted/a"))?.text()).toBe("a");
      const upload = await BLOBS.createMultipartUpload("counted/b");
      const part = await BLOBS.resumeMultipartUpload("counted/b", upload.uploadId).uploadPart(
        1,
        "b",
      );
      await upload.complete([part]);
      await BLOBS.delete(["counted/a", "counted/b"]);
    });
    const operations = ["put", "get", "createMultipartUpload", "uploadPart", "complete", "delete"];
    expect(told).toEqual(operations.map((operation) => `r2 R2 ${operation}`));
  });

  test.each(["MANIFESTS", "TAGS"] as const)("each operation of %s", async (name) => {
    const told = await toldOf({ [name]: env[name] }, async (counted) => {
      await counted[name].put("counted", "value");
      expect(await counted[name].get("counted")).toBe("value");
      await counted[name].delete("counted");
    });
    expect(told).toEqual(["kv KV put", "kv KV get", "kv KV delete"]);
  });
});

test("what is neither store nor object is handed on as it is", async () => {
  const limit = { limit: () => undefined };
  const counted = countedEnv(
    { LOGIN_FAILURES: limit, NAME: "x" } as unknown as Env,
    () => undefined,
  );
  expect([Reflect.get(counted, "LOGIN_FAILURES"), Reflect.get(counted, "NAME")]).toEqual([
    limit,
    "x",
  ]);
});
