import { describe, expect, test } from "vitest";
import { refusal, send } from "./client.ts";
import { sendTo } from "./configured.ts";

test.each([["/"], ["/v1/"], ["/v3/"], ["/v2/team"], ["/v2/team/app"], ["/v2/team/app/unknown/x"]])(
  "a path that is no route, %s, answers 404 with an error in JSON",
  async (path) => {
    const response = await send("GET", path);
    expect(response.headers.get("Content-Type")).toBe("application/json");
    expect(await refusal(response)).toEqual([404, "NAME_UNKNOWN"]);
  },
);

describe("a registry that is not configured", () => {
  const digest = `sha256:${"0".repeat(64)}`;

  test.each([
    ["GET", "/v2/"],
    ["GET", "/v2/_catalog"],
    ["GET", "/_catalog"],
    ["GET", "/v2/team/app/tags/list"],
    ["GET", `/v2/team/app/referrers/${digest}`],
    ["GET", "/v2/team/app/manifests/latest"],
    ["PUT", "/v2/team/app/manifests/latest"],
    ["DELETE", "/v2/team/app/manifests/latest"],
    ["GET", `/v2/team/app/blobs/${digest}`],
    ["DELETE", `/v2/team/app/blobs/${digest}`],
    ["POST", "/v2/team/app/blobs/uploads/"],
    ["PATCH", "/v2/team/app/blobs/uploads/x"],
    ["GET", "/nowhere"],
  ])("%s %s answers 503 and names what is not set", async (method, path) => {
    const response = await sendTo({ REGISTRY_AUTH_TYPE: undefined }, method, path);
    expect(response.status).toBe(503);
    expect(response.headers.get("Content-Type")).toBe("application/json");
    const text = await response.text();
    expect(text).toContain('"code":"UNAVAILABLE"');
    expect(text).toContain("REGISTRY_AUTH_TYPE is not set");
  });

  test.each([
    ["REGISTRY_AUTH_TYPE", "nobody"],
    ["REGISTRY_READS", "sometimes"],
    ["REGISTRY_PAGINATION_MAX_LIMIT", "many"],
    ["REGISTRY_UPLOAD_TIMEOUT", "0"],
  ])("a wrong value, %s=%s, answers 503 with the name and the value", async (name, value) => {
    const response = await sendTo({ [name]: value }, "GET", "/v2/");
    expect(response.status).toBe(503);
    const text = await response.text();
    expect(text).toContain(name);
    expect(text).toContain(value);
  });

  test("a HEAD answers 503 without a body", async () => {
    const response = await sendTo({ REGISTRY_AUTH_TYPE: undefined }, "HEAD", "/v2/");
    expect(response.status).toBe(503);
    expect(await response.text()).toBe("");
  });
});
