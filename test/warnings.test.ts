import { expect, test } from "vitest";
import {
  indexOf,
  newRepository,
  ociIndex,
  pushManifest,
  putManifest,
  send,
  startUpload,
} from "./client.ts";

const form = /^299 - "[^"\\]{10,300}"$/;

test("a manifest without Content-Type is taken, with a warning", async () => {
  const repository = newRepository();
  const body = new TextEncoder().encode(indexOf());
  const response = await send("PUT", `/v2/${repository}/manifests/v1`, { body });
  expect(response.status).toBe(201);
  expect(response.headers.get("Warning")).toMatch(form);
  expect(response.headers.get("Warning")).toContain("no Content-Type");
});

test.each([["bytes 0-2/3"], ["bytes 0-2/*"], ["bytes=0-2"], ["0-2/3"]])(
  "a chunk with Content-Range: %s is taken, with a warning",
  async (range) => {
    const location = await startUpload(newRepository());
    const init = { body: "abc", headers: { "Content-Range": range } };
    const response = await send("PATCH", location, init);
    expect(response.status).toBe(202);
    expect(response.headers.get("Warning")).toMatch(form);
    expect(response.headers.get("Warning")).toContain(range);
  },
);

test("what is as the specification has it comes without a warning", async () => {
  const repository = newRepository();
  const location = await startUpload(repository);
  const init = { body: "abc", headers: { "Content-Range": "0-2" } };
  await pushManifest(repository, "v1", indexOf());
  const answers = [
    await send("PATCH", location, init),
    await putManifest(repository, "v2", indexOf(), ociIndex),
    await send("GET", `/v2/${repository}/manifests/v1`),
    await send("GET", `/v2/${repository}/tags/list`),
  ];
  expect(answers.map(({ headers }) => headers.get("Warning"))).toEqual([null, null, null, null]);
});
