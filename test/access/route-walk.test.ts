import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Need } from "../../workers/access/guard.ts";
import { routes } from "../../workers/registry.ts";
import { digestOf, indexOf, ociIndex, pushBlob, pushManifest, send } from "../client.ts";
import { sendTo } from "../configured.ts";
import { advance, minuteMs } from "../durable-objects/clock.ts";
import {
  basic,
  bearer,
  type Credentials,
  htpasswd,
  nobody,
  tokenOf,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";

const id = crypto.randomUUID();
const existing = `walked/r${id}`;
const missing = `walked/n${id}`;
const others = `others/r${id}`;
const blob = "a blob of the walked repository";
const blobDigest = digestOf(blob);
const manifest = indexOf();
const manifestDigest = digestOf(manifest);
const replacement = indexOf();

const policy = JSON.stringify({
  adminUsers: ["owner"],
  rules: [
    { repository: "walked/**", users: ["owner"], permissions: ["pull", "push", "delete"] },
    { repository: "walked/**", users: ["reader"], permissions: ["pull"] },
    {
      repository: "others/**",
      users: ["writer", "owner"],
      permissions: ["pull", "push", "delete"],
    },
  ],
});

let token: Variables;
let basicAlone: Variables;
/** The path of a session that the owner has begun, and of one in a repository that there is not. */
const sessions: Record<string, string> = {};
let expired: Credentials;
let foreign: Credentials;

const owner = basic("owner", "owner's");
const reader = basic("reader", "reader's");
const writer = basic("writer", "writer's");

async function sessionIn(repository: string): Promise<string> {
  const path = `/v2/${repository}/blobs/uploads/`;
  const response = await sendTo(token, "POST", path, { headers: owner });
  return response.headers.get("Location") ?? "";
}

beforeAll(async () => {
  token = await tokenRegistry({
    USERNAME: undefined,
    PASSWORD: undefined,
    READONLY_USERNAME: undefined,
    READONLY_PASSWORD: undefined,
    REGISTRY_AUTH_HTPASSWD: htpasswd({
      owner: "owner's",
      reader: "reader's",
      writer: "writer's",
    }),
    REGISTRY_ACCESS_CONTROL_CONFIG: policy,
  });
  basicAlone = { ...token, REGISTRY_AUTH_TYPE: "basic" };
  await pushBlob(existing, blob);
  await pushManifest(existing, "kept", manifest);
  await pushManifest(others, "theirs", indexOf());
  sessions[existing] = await sessionIn(existing);
  sessions[missing] = await sessionIn(missing);
  foreign = await tokenOf(token, owner, `repository:${others}:*`);
  vi.setSystemTime(Date.now() - 10 * minuteMs);
  expired = await tokenOf(token, owner, `repository:${existing}:*`, "registry:catalog:*");
  vi.useRealTimers();
});

afterAll(() => {
  vi.useRealTimers();
});

interface Step {
  readonly need: Need;
  readonly method: string;
  readonly route: string;
  readonly path: (repository: string) => string;
  readonly init: RequestInit;
}

/** What each parameter of the routes is walked with. */
function pathsOf(route: string, method: string): ((repository: string) => string)[] {
  if (route.endsWith("/:session")) {
    const query = method === "PUT" ? `?digest=${digestOf("new")}` : "";
    return [(repository) => `${sessions[repository]}${query}`];
  }
  const references = route.includes(":reference") ? ["kept", manifestDigest] : [""];
  const digests = route.includes("/blobs/:digest") ? [blobDigest] : [manifestDigest];
  const queries =
    method === "POST" && route.endsWith("/uploads/")
      ? [
          "",
          `?digest=${digestOf("new")}`,
          `?mount=${blobDigest}`,
          `?mount=${blobDigest}&from=${existing}`,
        ]
      : [""];
  return references.flatMap((reference) =>
    digests.flatMap((digest) =>
      queries.map((query) => (repository: string) => {
        const named = route.replace(":name", repository).replace(":reference", reference);
        return named.replace(":digest", digest) + query;
      }),
    ),
  );
}

function initOf(method: string, route: string): RequestInit {
  if (route.includes("/manifests/") && method === "PUT") {
    return { body: replacement };
  }
  return method === "PATCH" || method === "PUT" || method === "POST" ? { body: "new" } : {};
}

/** Every route with every method that it has; HEAD is answered by what answers GET. */
const steps: Step[] = Object.entries(routes).flatMap(([route, handlers]) =>
  Object.entries(handlers).flatMap(([handled, [need]]) =>
    (handled === "GET" ? ["GET", "HEAD"] : [handled]).flatMap((method) =>
      pathsOf(route, method).map((path) => ({
        need,
        method,
        route,
        path,
        init: initOf(method, route),
      })),
    ),
  ),
);

const guardedSteps = steps.filter(({ need }) => need !== "public");

/** An answer as a caller sees it, with the repository's name and session taken out. */
async function answerOf(
  variables: Variables,
  credentials: Credentials,
  { method, path, init }: Step,
  repository: string,
): Promise<string> {
  // Each from another address: what is refused too often is not looked at any more.
  const headers = new Headers({ ...credentials, "CF-Connecting-IP": crypto.randomUUID() });
  // One for all, as answers are compared.
  headers.set("X-Request-Id", "walk");
  if (method === "PUT") headers.set("Content-Type", ociIndex);
  const response = await sendTo(variables, method, path(repository), { ...init, headers });
  const head = JSON.stringify([response.status, [...response.headers]]);
  return `${head}\n${await response.text()}`.replaceAll(repository, "<name>");
}

function statusOf(answer: string): number {
  return (JSON.parse(answer.split("\n", 1)[0] ?? "") as [number])[0];
}

/** All that somebody could have changed. */
async function state(): Promise<string> {
  const asked = [
    `/v2/${existing}/tags/list`,
    `/v2/${existing}/manifests/kept`,
    `/v2/${existing}/manifests/${manifestDigest}`,
    `/v2/${existing}/manifests/${digestOf(replacement)}`,
    `/v2/${existing}/blobs/${blobDigest}`,
    `/v2/${existing}/blobs/${digestOf("new")}`,
    `/v2/${missing}/tags/list`,
    `/v2/${missing}/blobs/${blobDigest}`,
    `/v2/${missing}/blobs/${digestOf("new")}`,
  ];
  const seen = await Promise.all([
    ...asked.map(async (path) => {
      const response = await send("GET", path);
      return `${path} ${response.status} ${await response.text()}`;
    }),
    ...Object.values(sessions).map(async (path) => {
      const response = await sendTo(token, "GET", path, { headers: owner });
      return `${path} ${response.status} ${response.headers.get("Range")}`;
    }),
  ]);
  return seen.join("\n");
}

describe("the walk", () => {
  test("comes by every route, and its owner may go all of it", async () => {
    expect(new Set(steps.map(({ route }) => route))).toEqual(new Set(Object.keys(routes)));
    const before = await state();
    expect(before.match(/ 200 /g)?.length).toBe(4);
    expect(before.match(/ 204 0--1/g)?.length).toBe(2);
    const read = guardedSteps.filter(({ method }) => method === "GET" || method === "HEAD");
    for (const step of read) {
      // oxlint-disable-next-line no-await-in-loop
      const status = statusOf(await answerOf(token, owner, step, existing));
      expect([200, 204], `${step.method} ${step.path(existing)}`).toContain(status);
    }
  });

  test("finds that public are the token service, its keys and what tells of health alone", () => {
    const found = steps.filter(({ need }) => need === "public");
    expect([...new Set(found.map(({ route }) => route))]).toEqual([
      "/token",
      "/.well-known/jwks.json",
      "/healthz",
      "/readyz",
    ]);
  });
});

interface Walker {
  readonly name: string;
  readonly variables: () => Variables;
  readonly credentials: () => Credentials;
  /** The status of each step, undefined for what may be done. */
  readonly due: (step: Step) => number | undefined;
}

function isReading({ need }: Step): boolean {
  return need === "base" || need === "catalog" || need === "pull" || need === "read";
}

function everywhere(status: number): Walker["due"] {
  return () => status;
}

const walkers: Walker[] = [
  { name: "nobody", credentials: () => nobody, due: everywhere(401) },
  { name: "podman's nobody", credentials: () => basic("", ""), due: everywhere(401) },
  { name: "a wrong password", credentials: () => basic("owner", "wrong"), due: everywhere(401) },
  { name: "an unknown user", credentials: () => basic("nemo", "owner's"), due: everywhere(401) },
  {
    name: "credentials that are none",
    credentials: () => ({ Authorization: "Basic" }),
    due: everywhere(401),
  },
  {
    name: "a reader",
    credentials: () => reader,
    due: (step: Step) => (isReading(step) ? undefined : 403),
  },
  {
    name: "a writer of another repository",
    credentials: () => writer,
    due: ({ need }: Step) => (need === "base" || need === "catalog" ? undefined : 403),
  },
].flatMap((walker) => [
  { ...walker, name: `${walker.name}, with token`, variables: () => token },
  { ...walker, name: `${walker.name}, with basic`, variables: () => basicAlone },
]);

walkers.push(
  {
    name: "an expired token",
    variables: () => token,
    credentials: () => expired,
    due: everywhere(401),
  },
  {
    name: "a token where Basic is asked for",
    variables: () => basicAlone,
    credentials: () => foreign,
    due: everywhere(401),
  },
  {
    name: "a token that is none",
    variables: () => token,
    credentials: () => bearer("a.b.c"),
    due: everywhere(401),
  },
  {
    name: "a token for another repository",
    variables: () => token,
    credentials: () => foreign,
    due: ({ need }) => (need === "base" ? undefined : 401),
  },
  {
    name: "a deployment that nobody configured",
    variables: () => ({ REGISTRY_AUTH_TYPE: undefined }),
    credentials: () => nobody,
    due: everywhere(503),
  },
  {
    name: "a deployment whose policy is wrong",
    variables: () => ({ ...token, REGISTRY_ACCESS_CONTROL_CONFIG: '{"rules":[{}]}' }),
    credentials: () => owner,
    due: everywhere(503),
  },
  {
    name: "a deployment whose users are wrong",
    variables: () => ({ ...token, REGISTRY_AUTH_HTPASSWD: "owner:owner's" }),
    credentials: () => owner,
    due: everywhere(503),
  },
);

describe.each(walkers)("$name", ({ variables, credentials, due }) => {
  test("does nothing, and is told nothing of what exists", async () => {
    const before = await state();
    let refused = 0;
    for (const step of guardedSteps) {
      const status = due(step);
      if (status === undefined) continue;
      refused += 1;
      const what = `${step.method} ${step.path(existing)}`;
      // oxlint-disable-next-line no-await-in-loop
      const found = await answerOf(variables(), credentials(), step, existing);
      // oxlint-disable-next-line no-await-in-loop
      const none = await answerOf(variables(), credentials(), step, missing);
      expect(statusOf(found), what).toBe(status);
      expect(found, what).toBe(none);
    }
    expect(refused).toBeGreaterThan(10);
    expect(await state()).toBe(before);
  });
});

describe("what a walker may see", () => {
  test.each([
    ["token", () => token],
    ["basic", () => basicAlone],
  ])(
    "a writer of another repository finds none of these in the catalog, with %s",
    async (_type, variables) => {
      const seen: string[] = [];
      let next: string | undefined = "/v2/_catalog?n=1000";
      while (next !== undefined) {
        // oxlint-disable-next-line no-await-in-loop
        const response: Response = await sendTo(variables(), "GET", next, { headers: writer });
        // oxlint-disable-next-line no-await-in-loop
        seen.push(...(await response.json<{ repositories: string[] }>()).repositories);
        next = /^<([^>]+)>/.exec(response.headers.get("Link") ?? "")?.[1];
      }
      expect(seen.filter((name) => !name.startsWith("others/"))).toEqual([]);
    },
  );

  test("nobody gets 405 and 204 for other methods, whatever exists", async () => {
    for (const [route, handlers] of Object.entries(routes)) {
      for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
        const handled = method === "HEAD" ? "GET" : method;
        if (Object.hasOwn(handlers, handled)) continue;
        const [path = () => ""] = pathsOf(route, method);
        const step = { need: "public" as const, method, route, path, init: {} };
        // oxlint-disable-next-line no-await-in-loop
        const found = await answerOf(token, nobody, step, existing);
        // oxlint-disable-next-line no-await-in-loop
        const none = await answerOf(token, nobody, step, missing);
        expect(statusOf(found), `${method} ${route}`).toBe(method === "OPTIONS" ? 204 : 405);
        expect(found).toBe(none);
      }
    }
  });

  test("the expired token was good once", async () => {
    advance(-9 * minuteMs);
    const path = `/v2/${existing}/manifests/kept`;
    expect((await sendTo(token, "GET", path, { headers: expired })).status).toBe(200);
  });
});
