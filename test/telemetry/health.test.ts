import { env } from "cloudflare:test";
import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";
import { sendTo } from "../configured.ts";
import { type Variables } from "../access/credentials.ts";
import { advance, secondMs } from "../durable-objects/clock.ts";

const unconfigured: Variables = { REGISTRY_AUTH_TYPE: undefined };
const open: Variables = { REGISTRY_AUTH_TYPE: "none" };

/** A binding in the place of another. */
function binding(value: object): string {
  return value as unknown as string;
}

/** The bucket, with some of its methods replaced. */
function bucket(methods: Partial<R2Bucket>): Variables {
  const { BLOBS } = env;
  const whole: object = {
    put: BLOBS.put.bind(BLOBS),
    get: BLOBS.get.bind(BLOBS),
    delete: BLOBS.delete.bind(BLOBS),
    ...methods,
  };
  return { ...open, BLOBS: binding(whole) };
}

const away = () => Promise.reject(new Error("it is away"));
const silent = () => new Promise<never>(() => undefined);

/** A namespace of KV, with some of its methods replaced. */
function namespace(name: "MANIFESTS" | "TAGS", methods: Partial<KVNamespace>): Variables {
  const kv = env[name];
  const whole: object = {
    put: kv.put.bind(kv),
    get: kv.get.bind(kv),
    delete: kv.delete.bind(kv),
    ...methods,
  };
  return { ...open, [name]: binding(whole) };
}

/** Objects of which the one that is asked answers so. */
function objects(probe: () => Promise<never>): Variables {
  return { ...open, CATALOG: binding({ getByName: () => ({ probe }) }) };
}

const allAway: Variables = {
  ...bucket({ put: away }),
  ...namespace("TAGS", { get: away }),
  ...objects(away),
};

beforeEach(() => {
  // What was found before counts no more.
  advance(30 * secondMs);
});

afterAll(() => {
  vi.useRealTimers();
});

async function ready(variables: Variables): Promise<[number, unknown]> {
  const response = await sendTo(variables, "GET", "/readyz");
  expect(response.headers.get("Cache-Control")).toBe("no-store");
  return [response.status, await response.json()];
}

describe("/healthz", () => {
  test.each<[string, Variables]>([
    ["a registry", open],
    ["one that nobody configured", unconfigured],
    ["one that is configured wrongly", { ...open, REGISTRY_READS: "maybe" }],
    ["one whose stores are away", allAway],
  ])("of %s is 200", async (_case, variables) => {
    for (const method of ["GET", "HEAD"]) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await sendTo(variables, method, "/healthz");
      expect(response.status).toBe(200);
      // oxlint-disable-next-line no-await-in-loop
      expect(await response.text()).toBe(method === "HEAD" ? "" : '{"status":"alive"}');
    }
  });
});

describe("/readyz", () => {
  test("is 200 where all stores can be used, and leaves nothing behind", async () => {
    const stores = { r2: "ok", kv: "ok", objects: "ok" };
    expect(await ready(open)).toEqual([200, { status: "ready", stores }]);
    expect((await env.BLOBS.list({ prefix: "health/" })).objects).toEqual([]);
    for (const kv of [env.MANIFESTS, env.TAGS]) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await kv.list({ prefix: "health/" })).keys).toEqual([]);
    }
  });

  test.each<[string, Variables, object]>([
    ["R2 takes nothing", bucket({ put: away }), { r2: "it is away" }],
    ["R2 answers nothing", bucket({ get: away }), { r2: "it is away" }],
    [
      "R2 has not what it took",
      bucket({ get: () => Promise.resolve(null) }),
      { r2: "what was written was not read" },
    ],
    ["R2 deletes nothing", bucket({ delete: away }), { r2: "it is away" }],
    ["KV takes no manifests", namespace("MANIFESTS", { put: away }), { kv: "it is away" }],
    ["KV takes no tags", namespace("TAGS", { put: away }), { kv: "it is away" }],
    ["KV answers nothing", namespace("MANIFESTS", { get: away }), { kv: "it is away" }],
    ["KV deletes nothing", namespace("TAGS", { delete: away }), { kv: "it is away" }],
    ["objects are away", objects(away), { objects: "it is away" }],
    ["all are away", allAway, { r2: "it is away", kv: "it is away", objects: "it is away" }],
  ])("is 503 where %s, and says so", async (_case, variables, failed) => {
    const stores = { r2: "ok", kv: "ok", objects: "ok", ...failed };
    const requestId = expect.any(String) as string;
    expect(await ready(variables)).toEqual([503, { status: "not ready", stores, requestId }]);
  });

  test("gives what is silent five seconds", async () => {
    const [status, body] = await ready(objects(silent));
    expect(status).toBe(503);
    expect(body).toMatchObject({ stores: { r2: "ok", objects: "no answer in 5 s" } });
  });

  test("looks once in ten seconds, also for those who ask at once", async () => {
    let looks = 0;
    const counting = namespace("TAGS", { put: async () => void (looks += 1) });
    const answers = await Promise.all(Array.from({ length: 10 }, () => ready(counting)));
    expect(answers.map(([status]) => status)).toEqual(answers.map(() => 200));
    expect(looks).toBe(1);
    advance(9 * secondMs);
    await ready(counting);
    expect(looks).toBe(1);
    advance(2 * secondMs);
    await ready(counting);
    expect(looks).toBe(2);
  });

  test("keeps a failure no longer than a success", async () => {
    expect((await ready(namespace("TAGS", { get: away })))[0]).toBe(503);
    expect((await ready(open))[0]).toBe(503);
    advance(11 * secondMs);
    expect((await ready(open))[0]).toBe(200);
  });

  test.each<[string, Variables, string]>([
    ["nothing is configured", unconfigured, "REGISTRY_AUTH_TYPE"],
    ["a variable is wrong", { ...open, REGISTRY_READS: "maybe" }, "REGISTRY_READS"],
  ])("is 503 where %s, with its name", async (_case, variables, name) => {
    const response = await sendTo(variables, "GET", "/readyz");
    expect(response.status).toBe(503);
    expect(await response.text()).toContain(name);
  });
});
