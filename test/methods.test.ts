import { expect, test } from "vitest";
import { newRepository, refusal, send } from "./client.ts";

const name = newRepository();
const digest = `sha256:${"0".repeat(64)}`;

/** Every route with the methods that it has beside OPTIONS. */
const routes: [string, string[]][] = [
  ["/v2/", ["GET", "HEAD"]],
  [`/v2/${name}/blobs/uploads/`, ["POST"]],
  [`/v2/${name}/blobs/uploads`, ["POST"]],
  [`/v2/${name}/blobs/uploads/id`, ["PATCH", "PUT", "GET", "HEAD", "DELETE"]],
  [`/v2/${name}/blobs/${digest}`, ["GET", "HEAD", "DELETE"]],
  [`/v2/${name}/manifests/latest`, ["PUT", "GET", "HEAD", "DELETE"]],
  [`/v2/${name}/manifests/${digest}`, ["PUT", "GET", "HEAD", "DELETE"]],
  [`/v2/${name}/tags/list`, ["GET", "HEAD"]],
  [`/v2/${name}/referrers/${digest}`, ["GET", "HEAD"]],
  ["/v2/_catalog", ["GET", "HEAD"]],
  ["/_catalog", ["GET", "HEAD"]],
];

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"];

const lacking = routes.flatMap(([path, allowed]) =>
  methods
    .filter((method) => !allowed.includes(method))
    .map((method): [string, string, string[]] => [method, path, allowed]),
);

function allowedBy(response: Response): string[] {
  return (response.headers.get("Allow") ?? "").split(", ").toSorted();
}

test.each(routes)("OPTIONS %s is 204 with Allow: %j", async (path, allowed) => {
  const response = await send("OPTIONS", path);
  expect(response.status).toBe(204);
  expect(allowedBy(response)).toEqual([...allowed, "OPTIONS"].toSorted());
});

test.each(lacking)("%s %s is 405 with Allow: %j", async (method, path, allowed) => {
  const response = await send(method, path);
  expect(response.status).toBe(405);
  expect(allowedBy(response)).toEqual([...allowed, "OPTIONS"].toSorted());
  expect(response.headers.get("Content-Type")).toBe("application/json");
  const body = await response.text();
  expect(body.includes('"code":"UNSUPPORTED"')).toBe(method !== "HEAD");
});

test("a method with a body is 405 too", async () => {
  const response = await send("POST", `/v2/${name}/manifests/latest`, {
    body: "x".repeat(100_000),
  });
  expect(await refusal(response)).toEqual([405, "UNSUPPORTED"]);
});

test("OPTIONS of a path that is no route is 404", async () => {
  expect((await send("OPTIONS", "/nowhere")).status).toBe(404);
});
