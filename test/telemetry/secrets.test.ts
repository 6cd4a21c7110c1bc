import { beforeAll, describe, expect, test } from "vitest";
import { alice, htpasswd, tokenRegistry, type Variables } from "../access/credentials.ts";
import { digestOf, indexOf, newRepository, pushBlob, pushManifest } from "../client.ts";
import { sendTo } from "../configured.ts";
import { routes } from "../../workers/registry.ts";
import { textsOf } from "./lines.ts";

/** What may be in no line; with a character that no tag, name or request id has. */
const secret = `!${crypto.randomUUID()}`;
const repository = newRepository();
const blob = "a blob beside secrets";
const manifest = indexOf();

let registry: Variables;

beforeAll(async () => {
  registry = await tokenRegistry({
    USERNAME: undefined,
    PASSWORD: undefined,
    REGISTRY_AUTH_HTPASSWD: htpasswd({ alice: secret }),
  });
  await pushBlob(repository, blob);
  await pushManifest(repository, "kept", manifest);
});

function base64(text: string): string {
  return btoa(text);
}

const url = encodeURIComponent(secret);
/** A query with a secret under each name that means something somewhere. */
const query = [
  "account",
  "client_id",
  "password",
  "refresh_token",
  "access_token",
  "scope",
  "service",
  "_state",
  "state",
  "n",
  "last",
  "artifactType",
  "tag",
  "from",
  "mount",
]
  .map((name) => `${name}=${url}`)
  .join("&");

const form = new URLSearchParams({
  grant_type: "password",
  username: "alice",
  password: secret,
  refresh_token: secret,
  scope: secret,
}).toString();

/** Who asks. */
const callers: [string, Record<string, string>][] = [
  ["who may", { Authorization: `Basic ${base64(`alice:${secret}`)}` }],
  ["a wrong password", { Authorization: `Basic ${base64(`nemo:${secret}${secret}`)}` }],
  ["a token that is none", { Authorization: `Bearer ${base64(secret)}.${base64(secret)}.x` }],
  ["another scheme", { Authorization: `Digest ${secret}` }],
  ["nobody", {}],
];

const elsewhere = {
  Cookie: `session=${secret}`,
  "User-Agent": secret,
  Referer: `https://example.com/?${query}`,
  "X-Request-Id": secret,
  "CF-Ray": secret,
  "X-Forwarded-For": secret,
  "X-Registry-Auth": base64(secret),
  "Proxy-Authorization": `Basic ${base64(secret)}`,
  "Content-Range": secret,
  Range: secret,
  "If-Match": `"${secret}"`,
};

/** A secret in the last segment of the path, and what is there. */
function pathsOf(route: string, sealed: string): string[] {
  const named = route.replace(":name", repository);
  const last = (text: string) => named.replace(/:(?:session|digest|reference)$/, text);
  const known = route.endsWith(":session")
    ? sealed
    : digestOf(route.includes("blobs") ? blob : manifest);
  return [...new Set([last(url), last(known)])];
}

const steps = Object.entries(routes).flatMap(([route, handlers]) =>
  Object.keys(handlers)
    .flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]))
    .map((method): [string, string] => [method, route]),
);

describe.each([
  ["token", () => registry],
  ["basic", () => ({ ...registry, REGISTRY_AUTH_TYPE: "basic" })],
  [
    "a configuration that is wrong",
    () => ({ ...registry, REGISTRY_AUTH_HTPASSWD: `alice:${secret}` }),
  ],
])("with %s", (_case, variables) => {
  test.each(callers)("no line tells a secret of %s, on any route", async (_who, credentials) => {
    const open = { ...registry, REGISTRY_AUTH_TYPE: "basic" };
    const headers = { Authorization: `Basic ${base64(`alice:${secret}`)}` };
    const start = await sendTo(open, "POST", `/v2/${repository}/blobs/uploads/`, { headers });
    const sealed = (start.headers.get("Location") ?? "").split("/").at(-1) ?? "";
    expect(sealed).toHaveLength(52);
    let requests = 0;
    const texts = await textsOf(async () => {
      for (const [method, route] of steps) {
        for (const path of pathsOf(route, sealed)) {
          requests += 1;
          const body = ["POST", "PUT", "PATCH"].includes(method) ? form : null;
          // Each from another address: what is refused too often is not looked at any more.
          const address = { "CF-Connecting-IP": crypto.randomUUID() };
          const init = { body, headers: { ...elsewhere, ...address, ...credentials } };
          // oxlint-disable-next-line no-await-in-loop
          const answer = await sendTo(variables(), method, `${path}?${query}`, init);
          // oxlint-disable-next-line no-await-in-loop
          await answer.arrayBuffer();
        }
      }
    });
    const [, sent = secret] = (credentials["Authorization"] ?? "").split(" ");
    const shapes = [
      secret.slice(1),
      base64(secret).slice(2, -4),
      sent,
      sealed,
      "grant_type",
      "_state",
    ];
    expect(texts.filter((text) => shapes.some((shape) => text.includes(shape)))).toEqual([]);
    // Of each but the probes there is a line.
    expect(texts.length).toBeGreaterThan(requests - 12);
  });
});

test("what is looked for would be found", async () => {
  const variables = { ...registry, REGISTRY_AUTH_TYPE: "none" };
  const texts = await textsOf(() =>
    sendTo(variables, "GET", "/v2/", { headers: { "X-Request-Id": secret.slice(1), ...alice } }),
  );
  expect(texts.filter((text) => text.includes(secret.slice(1)))).toHaveLength(1);
});
