import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hash } from "bcryptjs";
import { expect, onTestFinished, test } from "vitest";
import { Start } from "./start-process.ts";

test("one machine counts failed log-ins by name, whatever address a client claims", async () => {
  const folder = await mkdtemp(join(tmpdir(), "longshore-login-"));
  const start = new Start([process.execPath, "standalone/start.ts"], {
    REGISTRY_PORT: "0",
    REGISTRY_STORAGE_PATH: folder,
    USERNAME: "alice",
    PASSWORD: "alice's",
  });
  onTestFinished(async () => {
    start.process.kill("SIGTERM");
    await start.ended;
    await rm(folder, { recursive: true, maxRetries: 10 });
  });
  const url = await start.url();
  const statuses: number[] = [];
  for (let count = 0; count < 13; count += 1) {
    const headers = {
      Authorization: `Basic ${btoa("alice:wrong")}`,
      "CF-Connecting-IP": `192.0.2.${count}`,
    };
    // oxlint-disable-next-line no-await-in-loop
    const response = await fetch(`${url}/v2/`, { headers });
    statuses.push(response.status);
  }
  expect(statuses).toEqual([...Array.from({ length: 11 }, () => 401), 429, 429]);
});

test(
  "wrong passwords under many names at once do not stall the others",
  { timeout: 60_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "longshore-login-"));
    const stored = await hash("alice's", 10);
    await writeFile(join(folder, "users"), `alice:${stored}\n`);
    const start = new Start([process.execPath, "standalone/start.ts"], {
      REGISTRY_PORT: "0",
      REGISTRY_STORAGE_PATH: folder,
      REGISTRY_AUTH_HTPASSWD: join(folder, "users"),
    });
    onTestFinished(async () => {
      start.process.kill("SIGTERM");
      await start.ended;
      await rm(folder, { recursive: true, maxRetries: 10 });
    });
    const url = await start.url();
    let pending = 100;
    const wrong = Array.from({ length: pending }, async (_, at) => {
      const headers = { Authorization: `Basic ${btoa(`n${at}:wrong`)}` };
      const { status } = await fetch(`${url}/v2/`, { headers });
      pending -= 1;
      return status;
    });
    const other = await fetch(`${url}/.well-known/jwks.json`);
    expect(other.status).toBe(200);
    expect(pending).toBeGreaterThan(50);
    expect([401, 429]).toEqual(expect.arrayContaining([...new Set(await Promise.all(wrong))]));
  },
);
