import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { IncomingMessage } from "node:http";
import { request as ask, type RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type SecureVersion } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Authority, type KeyKind, openssl, type Pair } from "./certificates.ts";
import { Connection } from "./connection.ts";
import { digestOf } from "./running-registry.ts";
import { Start } from "./start-process.ts";

const folder = mkdtempSync(join(tmpdir(), "longshore-tls-"));
const root = new Authority(folder);
const own = root.sign("own");
const starts: Start[] = [];

function start(pair: Pair, environment: Record<string, string> = {}): Start {
  const started = new Start([process.execPath, "standalone/start.ts"], {
    REGISTRY_PORT: "0",
    REGISTRY_STORAGE_PATH: join(folder, `data-${starts.length}`),
    REGISTRY_TLS_CERT: pair.certificate,
    REGISTRY_TLS_KEY: pair.key,
    ...environment,
  });
  starts.push(started);
  return started;
}

async function stop(started: Start): Promise<void> {
  started.process.kill("SIGTERM");
  await started.ended;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  /** What the certificate that was shown is for. */
  readonly name: string | undefined;
}

const auth = "alice:correct-horse";

/** Runs curl, as alice; answers what it printed. */
function curl(...args: string[]): string {
  const given = ["-sS", "--fail-with-body", "--cacert", root.path, "-u", auth, ...args];
  return execFileSync("curl", given, { encoding: "utf8" });
}

/** How a healthcheck of this port ends. */
function healthcheck(port: string): number | null {
  const env = { REGISTRY_PORT: port, REGISTRY_TLS_CERT: own.certificate };
  const program = join(import.meta.dirname, "../../standalone/healthcheck.ts");
  return spawnSync(process.execPath, [program], { env }).status;
}

/** A request by a client that trusts our authority alone. */
async function send(url: string, options: RequestOptions = {}, body?: Uint8Array): Promise<Answer> {
  const request = ask(url, { ca: root.pem(), agent: false, ...options });
  request.end(body);
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  const name = Reflect.get(answer.socket, "getPeerCertificate").call(answer.socket).subject.CN;
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks), name };
}

afterAll(() => rmSync(folder, { recursive: true, maxRetries: 10 }));

describe("with a certificate", { timeout: 60_000 }, () => {
  let registry: Start;
  let url = "";

  beforeAll(async () => {
    registry = start(own, { USERNAME: "alice", PASSWORD: "correct-horse" });
    url = await registry.url();
  }, 60_000);
  afterAll(() => stop(registry));

  test("it says that it listens by HTTPS, and nothing more", () => {
    const { host } = new URL(url);
    expect(registry.output).toContain(`Longshore listens on https://${host}\n`);
    expect(registry.output).toContain(`docker push ${host}/team/app:1\n`);
    expect(registry.errors).toBe("");
  });

  test.each(["127.0.0.1", "localhost"])("it is the registry at %s", async (host) => {
    const { port } = new URL(url);
    const answer = await send(`https://${host}:${port}/v2/`, { auth });
    expect([answer.status, answer.body.toString(), answer.name]).toEqual([200, "{}", "own"]);
  });

  test.each(["127.0.0.1", "localhost"])("tokens are asked for by HTTPS at %s", async (host) => {
    const { port } = new URL(url);
    const answer = await send(`https://${host}:${port}/v2/`);
    expect(answer.headers["www-authenticate"]).toBe(
      `Bearer realm="https://${host}:${port}/token",service="longshore"`,
    );
  });

  test("a Location names no scheme that it could get wrong", async () => {
    const answer = await send(`${url}/v2/a/blobs/uploads/`, { auth, method: "POST" });
    expect(answer.headers.location).toMatch(/^\/v2\/a\/blobs\/uploads\//);
  });

  test.each<[SecureVersion, string | RegExp]>([
    ["TLSv1", /handshake failure|protocol version/],
    ["TLSv1.1", /handshake failure|protocol version/],
    ["TLSv1.2", "TLSv1.2"],
    ["TLSv1.3", "TLSv1.3"],
  ])("a client that speaks %s alone", async (version, expected) => {
    const socket = connect({
      port: Number(new URL(url).port),
      host: "127.0.0.1",
      ca: root.pem(),
      minVersion: version,
      maxVersion: version,
      // What OpenSSL itself would not offer any more.
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    const outcome = await once(socket, "secureConnect").then(
      () => socket.getProtocol(),
      (error: unknown) => String(error),
    );
    socket.destroy();
    expect(outcome).toMatch(expected);
  });

  test("plain HTTP is not answered", async () => {
    const connection = await Connection.open(url);
    connection.head("GET /v2/");
    await expect(connection.answer()).rejects.toThrow(/no status line|the connection ended/);
    connection.close();
  });

  test("a layer comes through whole, both ways, by what curl sends", async () => {
    const layer = randomBytes(20_000_000);
    writeFileSync(join(folder, "layer"), layer);
    const head = curl("-X", "POST", "-D", "-", "-o", "/dev/null", `${url}/v2/a/blobs/uploads/`);
    const [, location = ""] = /^location: (\S+)/im.exec(head) ?? [];
    const blob = `${url}/v2/a/blobs/${digestOf(layer)}`;
    curl("-X", "PATCH", "-T", join(folder, "layer"), url + location);
    curl("-X", "PUT", `${url}${location}?digest=${digestOf(layer)}`);
    curl("-o", join(folder, "pulled"), blob);
    expect(digestOf(readFileSync(join(folder, "pulled")))).toBe(digestOf(layer));
    curl("-r", "19000000-", "-o", join(folder, "ranged"), blob);
    expect(digestOf(readFileSync(join(folder, "ranged")))).toBe(
      digestOf(layer.subarray(19_000_000)),
    );
  });

  test("an answer before the end of a body reaches the client", async () => {
    const path = `${url}/v2/a/blobs/uploads/?digest=${digestOf("")}`;
    const answer = await send(path, { method: "POST" }, randomBytes(5_000_000));
    expect(answer.status).toBe(401);
  });

  test("the key is in no file of the storage folder", () => {
    const [, secret = ""] = readFileSync(own.key, "utf8").split("\n");
    const storage = join(folder, `data-${starts.indexOf(registry)}`);
    const files = readdirSync(storage, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map((file) => join(file.parentPath, file.name));
    expect(files.length).toBeGreaterThan(5);
    expect(files.filter((file) => readFileSync(file).includes(secret))).toEqual([]);
  });

  test("a healthcheck with its variables says that it is alive, and that nothing else is", () => {
    expect(healthcheck(new URL(url).port)).toBe(0);
    expect(healthcheck("1")).toBe(1);
  });
});

describe("one start", { timeout: 60_000 }, () => {
  afterEach(async () => {
    for (const started of starts) await stop(started);
  });

  test.each<KeyKind>(["RSA of 2048 bits", "P-384", "Ed25519"])(
    "serves a key of %s",
    async (kind) => {
      const url = await start(root.sign(kind.replaceAll(" ", "-"), kind)).url();
      expect((await send(`${url}/v2/`)).status).toBe(200);
    },
  );

  test.each([
    ["RSA", "RSA of 2048 bits"],
    ["EC", "P-256"],
  ] as const)("serves a key in the older format of %s", async (name, kind) => {
    const pair = root.sign(`older-${name}`, kind);
    openssl("pkey", "-in", pair.key, "-traditional", "-out", `${pair.key}.older`);
    expect(readFileSync(`${pair.key}.older`, "utf8")).toContain(`BEGIN ${name} PRIVATE KEY`);
    const url = await start({ ...pair, key: `${pair.key}.older` }).url();
    expect((await send(`${url}/v2/`)).status).toBe(200);
  });

  test("shows the certificates of its issuers, by a path with odd characters", async () => {
    const issuer = new Authority(folder, "issuer", root);
    const pair = issuer.sign("leaf");
    const chain = join(folder, `chain "of" ä.pem`);
    writeFileSync(chain, readFileSync(pair.certificate, "utf8") + issuer.pem());
    const url = await start({ certificate: chain, key: pair.key }).url();
    expect((await send(`${url}/v2/`)).name).toBe("leaf");
  });

  test("takes a renewed certificate, and its new key, when it starts again", async () => {
    const storage = { REGISTRY_STORAGE_PATH: join(folder, "renewed") };
    const pair = { certificate: join(folder, "current.pem"), key: join(folder, "current.key") };
    for (const name of ["first", "second"]) {
      const made = root.sign(name);
      copyFileSync(made.certificate, pair.certificate);
      copyFileSync(made.key, pair.key);
      const started = start(pair, storage);
      expect((await send(`${await started.url()}/v2/`)).name).toBe(name);
      await stop(started);
    }
  });

  test("with a certificate that has expired warns, and listens", async () => {
    const started = start(root.sign("expired", "P-256", -1));
    const url = await started.url();
    expect((await send(`${url}/v2/`, { rejectUnauthorized: false })).status).toBe(200);
    expect(started.errors).toMatch(
      /^longshore: REGISTRY_TLS_CERT expired on \d{4}-\S+Z: clients refuse it\n$/,
    );
  });

  test("with a wrong key is refused before it listens", async () => {
    const started = start({ ...own, key: root.path });
    expect(await started.ended).toBe(1);
    expect(started.errors).toMatch(
      /^longshore: REGISTRY_TLS_KEY is ".*root\.pem", a file without.*\n$/,
    );
    expect(started.output).toBe("");
  });

  test("without users is open to this machine alone", async () => {
    const url = await start(own).url();
    const headers = { Host: "registry.example.com" };
    expect((await send(`${url}/v2/`)).status).toBe(200);
    expect((await send(`${url}/v2/`, { headers, servername: "localhost" })).status).toBe(403);
  });

  test("with REGISTRY_URL names that in a Location", async () => {
    const url = await start(own, { REGISTRY_URL: "https://registry.example.com" }).url();
    const answer = await send(`${url}/v2/a/blobs/uploads/`, { method: "POST" });
    expect(answer.headers.location).toMatch(/^https:\/\/registry\.example\.com\/v2\/a\/blobs\//);
  });
});
