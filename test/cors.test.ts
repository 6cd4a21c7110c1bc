import { describe, expect, test } from "vitest";
import { sendTo } from "./configured.ts";

const ui = "https://ui.example.com";
const path = "/v2/team/app/manifests/v1";
const preflight = (origin: string) => ({
  headers: {
    Origin: origin,
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "authorization,content-type,if-match",
  },
});

function cors(response: Response): Record<string, string> {
  const names = [...response.headers].filter(([name]) => name.startsWith("access-control-"));
  return Object.fromEntries(names);
}

describe("with REGISTRY_CORS_ORIGINS", () => {
  test.each([
    [ui, ui, ui, "true"],
    [`https://a.example.com, ${ui}`, ui, ui, "true"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080", "true"],
    ["*", ui, "*", null],
  ])("%s a preflight of %s is allowed", async (origins, origin, allowed, credentials) => {
    const variables = { REGISTRY_CORS_ORIGINS: origins };
    const response = await sendTo(variables, "OPTIONS", path, preflight(origin));
    expect([response.status, await response.text()]).toEqual([204, ""]);
    expect(response.headers.get("Access-Control-Allow-Origin")).toBe(allowed);
    expect(response.headers.get("Access-Control-Allow-Credentials")).toBe(credentials);
    const methods = response.headers.get("Access-Control-Allow-Methods")?.split(",").toSorted();
    expect(methods).toEqual(["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]);
    expect(response.headers.get("Access-Control-Allow-Headers")).toBe(
      "authorization,content-type,if-match",
    );
    expect(Number(response.headers.get("Access-Control-Max-Age"))).toBeGreaterThan(0);
  });

  test.each([
    ["https://evil.example.com"],
    ["https://ui.example.com.evil.com"],
    ["http://ui.example.com"],
    ["null"],
  ])("a preflight of %s, which is not among them, is not", async (origin) => {
    const variables = { REGISTRY_CORS_ORIGINS: ui };
    const response = await sendTo(variables, "OPTIONS", path, preflight(origin));
    expect(response.headers.get("Access-Control-Allow-Origin")).toBeNull();
  });

  test.each([
    ["an answer", "/v2/", 200],
    ["an error", path, 404],
    ["a path that is no route", "/nowhere", 404],
  ])("a page may read %s and its headers", async (_case, target, status) => {
    const init = { headers: { Origin: ui } };
    const response = await sendTo({ REGISTRY_CORS_ORIGINS: ui }, "GET", target, init);
    expect(response.status).toBe(status);
    expect(response.headers.get("Access-Control-Allow-Origin")).toBe(ui);
    expect(response.headers.get("Vary")).toContain("Origin");
    const exposed = response.headers.get("Access-Control-Expose-Headers")?.split(",");
    expect(exposed).toEqual(
      expect.arrayContaining(["Docker-Content-Digest", "Link", "Location", "WWW-Authenticate"]),
    );
  });

  test("an OPTIONS that is no preflight says what the route has", async () => {
    const response = await sendTo({ REGISTRY_CORS_ORIGINS: ui }, "OPTIONS", path);
    expect(response.status).toBe(204);
    expect(response.headers.get("Allow")).toBe("PUT, GET, HEAD, DELETE, OPTIONS");
  });

  test("a preflight is answered before the registry is configured", async () => {
    const variables = { REGISTRY_CORS_ORIGINS: ui, REGISTRY_AUTH_TYPE: undefined };
    expect((await sendTo(variables, "OPTIONS", path, preflight(ui))).status).toBe(204);
    expect((await sendTo(variables, "GET", path, { headers: { Origin: ui } })).status).toBe(503);
  });
});

test.each([
  ["GET", "/v2/"],
  ["GET", path],
  ["OPTIONS", path],
])("without it, %s %s has no header of CORS", async (method, target) => {
  const init = method === "OPTIONS" ? preflight(ui) : { headers: { Origin: ui } };
  expect(cors(await sendTo({}, method, target, init))).toEqual({});
});
