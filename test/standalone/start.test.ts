import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Start, waiting } from "./start-process.ts";

const helloDigest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const starts: Start[] = [];
let folder = "";

function start(environment: Record<string, string> = {}, byNpm = false): Start {
  const storage = join(folder, String(starts.length));
  const started = new Start(byNpm ? ["npm", "start"] : [process.execPath, "standalone/start.ts"], {
    REGISTRY_PORT: "0",
    REGISTRY_STORAGE_PATH: storage,
    ...environment,
  });
  starts.push(started);
  return started;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-start-"));
});

afterEach(async () => {
  for (const started of starts.splice(0)) {
    started.process.kill("SIGKILL");
    await started.ended;
  }
  // Whatever was killed may still be leaving.
  await rm(folder, { recursive: true, maxRetries: 10 });
});

/** Whether anything listens there. */
async function listens(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

describe("a start", { timeout: 60_000 }, () => {
  test("says where it listens and what to push", async () => {
    const started = start();
    const url = await started.url();
    const { host } = new URL(url);
    expect(started.output).toContain(`docker tag alpine ${host}/team/app:1\n`);
    expect(started.output).toContain(`docker push ${host}/team/app:1\n`);
    expect((await fetch(`${url}/v2/`)).status).toBe(200);
    expect(started.errors).toBe("");
  });

  test("listens on REGISTRY_PORT, or else on PORT", async () => {
    const first = start({ REGISTRY_PORT: "0", PORT: "wrong" });
    const { port } = new URL(await first.url());
    first.process.kill("SIGTERM");
    await first.ended;
    const second = start({ REGISTRY_PORT: "", PORT: port });
    expect(new URL(await second.url()).port).toBe(port);
  });

  test("can be repeated on the same storage once the first has ended", async () => {
    const storage = { REGISTRY_STORAGE_PATH: join(folder, "same") };
    const first = start(storage);
    await first.url();
    first.process.kill("SIGKILL");
    await first.ended;
    const second = start(storage);
    await second.url();
    second.process.kill("SIGTERM");
    expect(await second.ended).toBe(0);
  });

  test("on a port that is taken says so in one line", async () => {
    const url = await start().url();
    const { host, port } = new URL(url);
    const second = start({ REGISTRY_PORT: port });
    expect(await second.ended).toBe(1);
    expect(second.errors).toBe(
      `longshore: can't listen on ${host} (REGISTRY_HOST, REGISTRY_PORT): something listens there already\n`,
    );
    expect(second.output).toBe("");
  });

  test("on storage that is in use says so in one line", async () => {
    const storage = join(folder, "same");
    const first = start({ REGISTRY_STORAGE_PATH: storage });
    const url = await first.url();
    const second = start({ REGISTRY_STORAGE_PATH: storage });
    expect(await second.ended).toBe(1);
    expect(second.errors).toBe(
      `longshore: ${storage} is in use by another start (REGISTRY_STORAGE_PATH)\n`,
    );
    expect(await listens(url)).toBe(true);
  });

  const wrong: [string, Record<string, string>, RegExp][] = [
    [
      "a port that is no number",
      { REGISTRY_PORT: "http" },
      /^longshore: REGISTRY_PORT is "http"; allowed is .* 0 .* 65535\n$/,
    ],
    [
      "a port that is too high",
      { REGISTRY_PORT: "65536" },
      /^longshore: REGISTRY_PORT is "65536"; .*\n$/,
    ],
    ["a port below zero", { REGISTRY_PORT: "-1" }, /^longshore: REGISTRY_PORT is "-1"; .*\n$/],
    ["a wrong PORT", { REGISTRY_PORT: "", PORT: "5000x" }, /^longshore: PORT is "5000x"; .*\n$/],
    [
      "wrong values of the Worker's",
      { REGISTRY_READS: "stale", REGISTRY_GC_GRACE: "1d" },
      /^longshore: REGISTRY_READS is "stale"; .*\nlongshore: REGISTRY_GC_GRACE is "1d"; .*\n$/,
    ],
    [
      "an address that others reach, open to all",
      { REGISTRY_HOST: "0.0.0.0" },
      /^longshore: REGISTRY_HOST is "0\.0\.0\.0".*REGISTRY_AUTH_TYPE is not set.*REGISTRY_AUTH_TYPE=none.*REGISTRY_HOST=127\.0\.0\.1.*\n$/,
    ],
    [
      "an address that is not ours",
      { REGISTRY_HOST: "192.0.2.1", REGISTRY_AUTH_TYPE: "none" },
      /^longshore: can't listen on 192\.0\.2\.1:0 \(REGISTRY_HOST.*\n$/,
    ],
    [
      "storage that is no folder",
      { REGISTRY_STORAGE_PATH: "/dev/null" },
      /^longshore: REGISTRY_STORAGE_PATH is "\/dev\/null", .*\n$/,
    ],
  ];
  test.for(wrong)("is refused for %s", async ([, environment, message]) => {
    const started = start(environment);
    expect(await started.ended).toBe(1);
    expect(started.errors).toMatch(message);
    expect(started.output).toBe("");
  });

  test("serves nothing on its port but the Worker", async () => {
    const url = await start().url();
    for (const path of ["/cdn-cgi/handler/scheduled", "/cdn-cgi/mf/stream", "/cdn-cgi"]) {
      const answer = await fetch(`${url}${path}`);
      expect([path, answer.status, await answer.json()]).toEqual([
        path,
        404,
        { errors: [expect.objectContaining({ message: expect.stringContaining(path) })] },
      ]);
    }
  });
});

describe("the end", { timeout: 60_000 }, () => {
  test.for(["SIGTERM", "SIGINT"] as const)("comes in order with %s", async (signal) => {
    const started = start();
    const url = await started.url();
    started.process.kill(signal);
    expect(await started.ended).toBe(0);
    expect(await listens(url)).toBe(false);
    expect(started.errors).toBe("");
  });

  test("comes in order with a SIGTERM for npm", async () => {
    const started = start({}, true);
    const url = await started.url();
    started.process.kill("SIGTERM");
    expect(await started.ended).toBe(0);
    expect(await listens(url)).toBe(false);
  });

  test("comes when npm is killed", async () => {
    const started = start({}, true);
    const url = await started.url();
    started.process.kill("SIGKILL");
    await vi.waitFor(async () => expect(await listens(url)).toBe(false), waiting);
  });

  test("waits for a request that is under way, and keeps what it answered", async () => {
    const storage = join(folder, "same");
    const started = start({ REGISTRY_STORAGE_PATH: storage });
    const url = await started.url();
    const { host, hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    let answer = "";
    socket.on("data", (data) => (answer += String(data)));
    socket.write(
      `POST /v2/team/app/blobs/uploads/?digest=${helloDigest} HTTP/1.1\r\n` +
        `Host: ${host}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`,
    );
    // Which is said when the body is asked for.
    await vi.waitFor(() => expect(answer).toContain("100 Continue"), waiting);
    socket.write("he");
    started.process.kill("SIGTERM");
    await vi.waitFor(() => expect(started.output).toContain("stops"), waiting);
    socket.write("llo");
    expect(await started.ended).toBe(0);
    expect(answer).toContain("HTTP/1.1 201 ");

    const again = await start({ REGISTRY_STORAGE_PATH: storage }).url();
    const blob = await fetch(`${again}/v2/team/app/blobs/${helloDigest}`);
    expect([blob.status, await blob.text()]).toEqual([200, "hello"]);
  });

  test("comes for workerd when the start is killed", async () => {
    const started = start();
    const url = await started.url();
    started.process.kill("SIGKILL");
    await vi.waitFor(async () => expect(await listens(url)).toBe(false), waiting);
  });

  test("of workerd alone is told", async () => {
    const started = start();
    await started.url();
    const workerd = await childRunning(started, "workerd");
    process.kill(workerd, "SIGKILL");
    expect(await started.ended).toBe(1);
    expect(started.errors).toBe("longshore: workerd ended by itself: signal SIGKILL\n");
  });
});

/** The pid of the child of a start that runs this program. */
async function childRunning(started: Start, program: string): Promise<number> {
  const ps = spawn("ps", ["-A", "-o", "pid=,ppid=,comm="], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let table = "";
  ps.stdout.on("data", (data) => (table += String(data)));
  await once(ps, "close");
  for (const line of table.split("\n")) {
    const [pid, parent, ...command] = line.trim().split(/\s+/);
    if (Number(parent) === started.process.pid && command.join(" ").endsWith(program)) {
      return Number(pid);
    }
  }
  throw new Error(`${program} is not running`);
}
