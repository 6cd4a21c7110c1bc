import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromJSONSchema, toJSONSchema } from "zod";
import { parsePolicy, policyFile } from "../../schemas/policy.ts";

const docs = join(import.meta.dirname, "../../docs");

async function readExample(): Promise<string> {
  return readFile(join(docs, "policy.example.json"), "utf8");
}

describe("the published JSON Schema of the policy", () => {
  test("is the one that files are read by (-u writes it anew)", async () => {
    const schema = toJSONSchema(policyFile, { io: "input" });
    const text = `${JSON.stringify(schema, null, 2)}\n`;
    await expect(text).toMatchFileSnapshot(join(docs, "policy.schema.json"));
  });

  test.each<[string, object, boolean]>([
    ["nothing", {}, true],
    ["a rule", { rules: [{ repository: "team-*/**", users: ["*"], permissions: ["pull"] }] }, true],
    ["an unknown key", { policies: [] }, false],
    ["another default", { defaultPolicy: "maybe" }, false],
    ["no users", { rules: [{ repository: "a", users: [], permissions: ["pull"] }] }, false],
    ["no pattern", { rules: [{ repository: "A", users: ["a"], permissions: ["pull"] }] }, false],
    ["no permission", { rules: [{ repository: "a", users: ["a"], permissions: ["read"] }] }, false],
  ])("says of %s what the registry says", async (_, file, expected) => {
    const schema = JSON.parse(await readFile(join(docs, "policy.schema.json"), "utf8"));
    const parsed = parsePolicy(JSON.stringify(file));
    expect(fromJSONSchema(schema).safeParse(file).success).toBe(expected);
    expect("problem" in parsed).toBe(!expected);
  });
});

describe("the example of a policy", () => {
  test("is one, by the schema that it names too", async () => {
    const text = await readExample();
    const file = JSON.parse(text);
    const schema = JSON.parse(await readFile(join(docs, file.$schema), "utf8"));
    expect(parsePolicy(text)).toEqual(file);
    expect(fromJSONSchema(schema).safeParse(file)).toMatchObject({ success: true });
  });

  test("has every key and every permission", async () => {
    const text = await readExample();
    const schema = await readFile(join(docs, "policy.schema.json"), "utf8");
    for (const name of namesIn(JSON.parse(schema))) {
      expect(text).toContain(JSON.stringify(name));
    }
  });
});

/** The keys of all objects that a schema describes, and the values that it lists but `allow`. */
function namesIn(schema: unknown): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const { properties = {}, enum: listed = [] } = schema as {
    properties?: object;
    enum?: string[];
  };
  const values = listed.filter((value) => value !== "allow");
  return [...Object.keys(properties), ...values, ...Object.values(schema).flatMap(namesIn)];
}
