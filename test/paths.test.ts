import { describe, expect, test } from "vitest";
import {
  indexOf,
  newRepository,
  pushBlob,
  pushManifest,
  refusal,
  send,
  startUpload,
} from "./client.ts";

/** A repository with tag v1 and a blob. */
async function filled() {
  const repository = newRepository();
  const manifest = await pushManifest(repository, "v1", indexOf());
  const blob = await pushBlob(repository, crypto.randomUUID());
  return { repository, manifest, blob };
}

describe("a slash at the end of a path says nothing", () => {
  test.each([
    ["/v2/<name>/manifests/v1/", 200],
    ["/v2/<name>/manifests/<manifest>/", 200],
    ["/v2/<name>/blobs/<blob>/", 200],
    ["/v2/<name>/tags/list/", 200],
    ["/v2/<name>/referrers/<manifest>/", 200],
    ["/v2/_catalog/", 200],
    ["/v2//", 200],
    ["/v2/<name>/tags/list/?n=1", 200],
    ["/v2/<name>/manifests/none/", 404],
    ["/v2/<name>/manifests/v1//", 404],
  ])("GET %s is %i", async (template, status) => {
    const { repository, manifest, blob } = await filled();
    const path = template
      .replace("<name>", repository)
      .replace("<manifest>", manifest)
      .replace("<blob>", blob);
    expect((await send("GET", path)).status).toBe(status);
  });

  test("a session is begun with and without it, and goes on with it", async () => {
    const repository = newRepository();
    const begun = await send("POST", `/v2/${repository}/blobs/uploads`);
    expect(begun.status).toBe(202);
    const location = await startUpload(repository);
    expect((await send("PATCH", `${location}/`, { body: "x" })).status).toBe(202);
    expect((await send("DELETE", `${location}/`)).status).toBe(204);
  });
});

describe("an escape of a character that needs none is that character", () => {
  test.each([
    ["a letter of the name", (name: string) => `/v2/${name.replace("team", "te%61m")}/tags/list`],
    ["a dash of the name", (name: string) => `/v2/${name.replaceAll("-", "%2D")}/tags/list`],
    ["a tag", (name: string) => `/v2/${name}/manifests/%76%31`],
    ["the words of a route", (name: string) => `/v2/${name}/t%61gs/l%69st`],
    ["the base", (name: string) => `/%76%32/${name}/tags/list`],
  ])("in %s", async (_case, path) => {
    const { repository } = await filled();
    expect((await send("GET", path(repository))).status).toBe(200);
  });

  test.each([
    ["%3A", "a digest's colon"],
    ["%3a", "a digest's colon in lower case"],
  ])("%s is %s", async (escaped) => {
    const { repository, manifest, blob } = await filled();
    const paths = [`manifests/${manifest}`, `blobs/${blob}`, `referrers/${manifest}`];
    const statuses = paths.map(async (path) => {
      return (await send("GET", `/v2/${repository}/${path.replace(":", escaped)}`)).status;
    });
    expect(await Promise.all(statuses)).toEqual([200, 200, 200]);
  });

  test.each([
    ["%2F", 400, "NAME_INVALID"],
    ["%2f", 400, "NAME_INVALID"],
    ["%252F", 400, "NAME_INVALID"],
    ["%5C", 400, "NAME_INVALID"],
    ["%00", 400, "NAME_INVALID"],
    ["%2561", 400, "NAME_INVALID"],
  ])("but %s in a name is %i", async (escaped, status, code) => {
    const response = await send("GET", `/v2/team${escaped}app/tags/list`);
    expect(await refusal(response)).toEqual([status, code]);
  });
});
