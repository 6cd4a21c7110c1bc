import { expect, test } from "vitest";
import {
  digestOf,
  imageManifest,
  ociManifest,
  putManifest,
  randomBytes,
  send,
  startUpload,
  stream,
} from "./client.ts";

const repository = "team/app";

test("an image pushed as docker's graph driver pushes it is pulled back byte for byte", async () => {
  const layer = randomBytes(21 * 1024 * 1024 + 17);
  const config = JSON.stringify({ architecture: "amd64", os: "linux" });

  const ping = await send("GET", "/v2/");
  expect(ping.status).toBe(200);
  expect(ping.headers.get("Docker-Distribution-API-Version")).toBe("registry/2.0");

  const pushed = [];
  for (const blob of [layer, new TextEncoder().encode(config)]) {
    const digest = digestOf(blob);
    expect((await send("HEAD", `/v2/${repository}/blobs/${digest}`)).status).toBe(404);
    const location = await startUpload(repository);
    const patch = await send("PATCH", location, { body: stream(blob) });
    expect(patch.status).toBe(202);
    expect(patch.headers.get("Range")).toBe(`0-${blob.length - 1}`);
    const put = await send("PUT", `${patch.headers.get("Location")}?digest=${digest}`);
    expect(put.status).toBe(201);
    expect(put.headers.get("Docker-Content-Digest")).toBe(digest);
    const head = await send("HEAD", `/v2/${repository}/blobs/${digest}`);
    expect(head.status).toBe(200);
    expect(head.headers.get("Content-Length")).toBe(String(blob.length));
    pushed.push({ digest, size: blob.length });
  }

  const [layerDescriptor, configDescriptor] = pushed;
  if (layerDescriptor === undefined || configDescriptor === undefined) throw new Error("no blobs");
  const manifest = imageManifest(configDescriptor, [layerDescriptor]);
  const put = await putManifest(repository, "1.0", manifest);
  expect(put.status).toBe(201);
  expect(put.headers.get("Docker-Content-Digest")).toBe(digestOf(manifest));

  const head = await send("HEAD", `/v2/${repository}/manifests/1.0`);
  expect(head.headers.get("Docker-Content-Digest")).toBe(digestOf(manifest));
  expect(head.headers.get("Content-Type")).toBe(ociManifest);
  expect(head.headers.get("Content-Length")).toBe(String(manifest.length));
  const got = await send("GET", `/v2/${repository}/manifests/${digestOf(manifest)}`);
  expect(await got.text()).toBe(manifest);
  const blob = await send("GET", `/v2/${repository}/blobs/${layerDescriptor.digest}`);
  expect(digestOf(await blob.bytes())).toBe(layerDescriptor.digest);
  const tags = await send("GET", `/v2/${repository}/tags/list`);
  expect(await tags.json()).toEqual({ name: repository, tags: ["1.0"] });
});

test("a blob that arrives whole, as containerd pushes it, is stored and readable", async () => {
  const layer = randomBytes(100_000);
  const digest = digestOf(layer);
  const location = await startUpload(repository);
  const put = await send("PUT", `${location}?digest=${digest}`, { body: layer });
  expect(put.status).toBe(201);
  const blob = await send("GET", `/v2/${repository}/blobs/${digest}`);
  expect(digestOf(await blob.bytes())).toBe(digest);
});
