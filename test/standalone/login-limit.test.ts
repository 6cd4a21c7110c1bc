import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
