/** `longshore push` that is stopped, refused, or finds nobody. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RunningRegistry } from "../standalone/running-registry.ts";
import { Companion } from "./companion.ts";
import { HeldRelay } from "./held-relay.ts";
import { StandInRegistry } from "./stand-in-registry.ts";
import { mediaTypes, noise, WrittenLayout, writeFolder } from "./written-image.ts";

const chunkBytes = 256 * 1024;
const registry = new RunningRegistry({
  // Shorter chunks than it wants without this.
  REGISTRY_MAX_BODY: `${chunkBytes}`,
  USERNAME: "alice",
  PASSWORD: "correct-horse",
  READONLY_USERNAME: "bob",
  READONLY_PASSWORD: "read",
});
const alice = { LONGSHORE_USERNAME: "alice", LONGSHORE_PASSWORD: "correct-horse" };
const layerBytes = 12 * chunkBytes;
const chunked = ["--chunk-size", `${chunkBytes}`];

let folder: string;
let relay: HeldRelay;
let tests = 0;
let repository: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-push-test-"));
  relay = await HeldRelay.start(registry.url);
  tests += 1;
  repository = `team/app-${tests}`;
});
afterEach(async () => {
  await relay.close();
  await rm(folder, { recursive: true });
});

/** A layout with one image of one layer that goes in chunks. No other test has its bytes. */
async function writeLayout() {
  const layout = new WrittenLayout();
  const layer = layout.blob(noise(`layer ${tests}`, layerBytes), mediaTypes.layer);
  const image = layout.image([layer]);
  layout.list(image);
  return { source: await writeFolder(join(folder, "layout"), layout.all()), layer, image };
}

const target = () => `${relay.address}/${repository}:v1`;
const stateFolder = () => join(folder, "state/longshore/uploads");

function start(source: string, variables: Record<string, string> = alice, ...args: string[]) {
  const environment = { HOME: folder, XDG_STATE_HOME: join(folder, "state"), ...variables };
  return new Companion(["push", source, target(), ...chunked, ...args], environment);
}

async function tagged(): Promise<string | null> {
  const basic = Buffer.from("alice:correct-horse").toString("base64");
  const answer = await fetch(`${registry.url}/v2/${repository}/manifests/v1`, {
    method: "HEAD",
    headers: { accept: "*/*", authorization: `Basic ${basic}` },
  });
  return answer.headers.get("docker-content-digest");
}

/** Stops a push by Ctrl-C when about this share of the layer is through. */
async function stopAt(source: string, share: number, ...args: string[]) {
  const held = relay.holdAfter(layerBytes * share);
  const push = start(source, alice, ...args);
  await Promise.race([held, push.ended]);
  push.process.kill("SIGINT");
  const ended = await push.ended;
  relay.release();
  return ended;
}

describe("a push that Ctrl-C stops", () => {
  test("ends with 130, says how to go on, and keeps its session for this user alone", async () => {
    const { source } = await writeLayout();
    const { code, errors } = await stopAt(source, 0.6);
    expect({ code, errors }).toMatchObject({ code: 130 });
    expect(errors).toMatch(/stopped: [01] of 2 blobs are in the registry, [12] are missing/);
    expect(errors).toContain("the same command goes on from there");
    expect(await tagged()).toBeNull();
    const [kept = "", ...others] = await readdir(stateFolder());
    expect(others).toEqual([]);
    const { mode } = await stat(join(stateFolder(), kept));
    expect((mode & 0o777).toString(8)).toBe("600");
  });

  test("goes on from what the registry has, and once more", async () => {
    const { source, image } = await writeLayout();
    await stopAt(source, 0.4);
    await stopAt(source, 0.4);
    const before = relay.bytes;
    const { code, errors } = await start(source).ended;
    expect({ code, errors }).toMatchObject({ code: 0 });
    expect(await tagged()).toBe(image.digest);
    // Two fifths each time, less the chunks that were under way.
    expect(relay.bytes - before).toBeLessThan(layerBytes * 0.6);
    expect(await readdir(stateFolder())).toEqual([]);
  });

  test("tells as JSON what is missing", async () => {
    const { source, layer } = await writeLayout();
    const { output } = await stopAt(source, 0.5, "--json");
    expect(JSON.parse(output)).toMatchObject({
      missing: expect.arrayContaining([layer.digest]) as unknown,
    });
  });

  test("begins anew where the registry does not know the session", async () => {
    const { source, image } = await writeLayout();
    await stopAt(source, 0.5);
    const [kept = ""] = await readdir(stateFolder());
    const path = join(stateFolder(), kept);
    const state = JSON.parse(await readFile(path, "utf8")) as { location: string };
    const location = state.location.replace(/[^/]+$/, "gone");
    await writeFile(path, JSON.stringify({ ...state, location }));
    const { code, errors } = await start(source).ended;
    expect({ code, errors }).toMatchObject({ code: 0 });
    expect(await tagged()).toBe(image.digest);
  });

  test("begins anew where the host that the session was on is no more", async () => {
    const { source, image } = await writeLayout();
    await stopAt(source, 0.5);
    const [kept = ""] = await readdir(stateFolder());
    const path = join(stateFolder(), kept);
    const state = JSON.parse(await readFile(path, "utf8")) as { location: string };
    const gone = await HeldRelay.start(registry.url);
    const location = state.location.replace(relay.address, gone.address);
    await gone.close();
    await writeFile(path, JSON.stringify({ ...state, location }));
    const { code, errors } = await start(source).ended;
    expect({ code, errors }).toMatchObject({ code: 0 });
    expect(await tagged()).toBe(image.digest);
  });

  test("begins anew where what it sent was wrong and is mended", async () => {
    const { source, layer, image } = await writeLayout();
    const path = join(source, "blobs", layer.digest.replace(":", "/"));
    const right = await readFile(path);
    await writeFile(path, Buffer.alloc(layerBytes, "wrong"));
    await stopAt(source, 0.5);
    await writeFile(path, right);
    const { code, errors } = await start(source).ended;
    expect({ code, errors }).toMatchObject({ code: 0 });
    expect(await tagged()).toBe(image.digest);
  });
});

/** What is noted of uploads that did not end. */
async function notedUploads(): Promise<string[]> {
  const names = await readdir(stateFolder());
  return Promise.all(names.map((name) => readFile(join(stateFolder(), name), "utf8")));
}

test("a push keeps its session where the registry is too busy to tell of it", async () => {
  const { source } = await writeLayout();
  let sessions = 0;
  const busy = await StandInRegistry.start(({ line }) => {
    if (line === "GET /v2/") return { status: 200 };
    if (line.startsWith("HEAD ")) return { status: 404 };
    if (line.startsWith("PATCH ")) return { status: 400 };
    if (!line.startsWith("POST ")) return { status: 503 };
    sessions += 1;
    const location = `/v2/${repository}/blobs/uploads/session-${sessions}`;
    return { status: 202, headers: { location } };
  });
  const url = `${busy.url}/${repository}:v1`;
  const environment = { HOME: folder, XDG_STATE_HOME: join(folder, "state") };
  const push = () => Companion.run(["push", source, url, "--parallel", "1"], environment);
  try {
    expect(await push()).toMatchObject({ code: 1 });
    const before = await notedUploads();
    const { code, errors } = await push();
    expect({ code, errors }).toMatchObject({ code: 1 });
    expect(errors).toContain("503");
    expect(before[0]).toContain(`${repository}/blobs/uploads/session-1"`);
    expect(await notedUploads()).toEqual(before);
  } finally {
    await busy.close();
  }
});

/** What docker login stores of alice. */
function dockerConfig(): string {
  const auth = Buffer.from("alice:correct-horse").toString("base64");
  return JSON.stringify({ auths: { [relay.address]: { auth } } });
}

describe("a push that can't be", () => {
  test.each<[string, Record<string, string>, readonly string[]]>([
    ["nobody is logged in", {}, ["401"]],
    ["the password is wrong", { ...alice, LONGSHORE_PASSWORD: "wrong" }, ["401"]],
    [
      "the user may only pull",
      { LONGSHORE_USERNAME: "bob", LONGSHORE_PASSWORD: "read" },
      ["DENIED", "the registry does not have yet"],
    ],
  ])("says so: %s", async (_, variables, messages) => {
    const { source } = await writeLayout();
    const { code, errors, output } = await start(source, variables).ended;
    expect({ code, errors, output }).toMatchObject({ code: 1, output: "" });
    for (const message of messages) expect(errors).toContain(message);
    expect(errors).not.toContain("    at ");
    expect(await tagged()).toBeNull();
  });

  test("says so: the registry is away", async () => {
    const { source } = await writeLayout();
    const away = await HeldRelay.start(registry.url);
    const url = `${away.address}/${repository}:v1`;
    await away.close();
    const { code, errors } = await Companion.run(["push", source, url], { HOME: folder });
    expect({ code, errors }).toMatchObject({ code: 1 });
    expect(errors).toContain("can't be reached");
  });

  test("is done with what docker login stored", async () => {
    const { source, image } = await writeLayout();
    await writeFile(join(folder, "config.json"), dockerConfig());
    const { code, errors } = await start(source, { DOCKER_CONFIG: folder }).ended;
    expect({ code, errors }).toMatchObject({ code: 0 });
    expect(await tagged()).toBe(image.digest);
  });

  test.each([
    [["--parallel", "0"], "whole number from 1 to 16"],
    [["--chunk-size", "1"], "from 64KiB to 512MiB"],
    [["--mount-from", "Team"], "a repository's name"],
    [["--unknown"], "unknown option"],
  ])("is called wrongly with %j", async (args, message) => {
    const { code, errors } = await start("layout", {}, ...args).ended;
    expect({ code, errors }).toMatchObject({ code: 2 });
    expect(errors).toContain(message);
  });
});
