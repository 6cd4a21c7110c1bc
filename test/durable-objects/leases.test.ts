import { afterEach, describe, expect, test, vi } from "vitest";
import { imageManifest, pushBlob, putManifest, randomBytes, send } from "../client.ts";
import { advance, hourMs, minuteMs } from "./clock.ts";
import { claimed, link, row } from "./linked-blob.ts";
import { digestFor, newRepository } from "./names.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe("a lease", () => {
  test.for([
    { name: "more than half is left", ageMs: 11 * hourMs, renewed: false },
    { name: "less than half is left", ageMs: 13 * hourMs, renewed: true },
    { name: "nothing is left", ageMs: 30 * hourMs, renewed: true },
  ])("of which $name, after a HEAD (renewed: $renewed)", async ({ ageMs, renewed }) => {
    const repository = newRepository();
    const blob = await claimed(repository);
    await link(repository, blob);
    const before = (await row(repository, blob.digest))?.leased_until ?? 0;
    expect(before).toBeGreaterThan(Date.now() + 23 * hourMs);
    advance(ageMs);
    expect((await send("HEAD", `/v2/${repository}/blobs/${blob.digest}`)).status).toBe(200);
    const after = (await row(repository, blob.digest))?.leased_until ?? 0;
    expect(after > before).toBe(renewed);
    expect(after).toBeGreaterThan(Date.now() + 12 * hourMs);
  });

  test("is not renewed by a pull", async () => {
    const repository = newRepository();
    const blob = await claimed(repository);
    await link(repository, blob);
    const before = await row(repository, blob.digest);
    advance(13 * hourMs);
    await send("GET", `/v2/${repository}/blobs/${blob.digest}`);
    expect(await row(repository, blob.digest)).toEqual(before);
  });

  test("is renewed by a push of the same blob", async () => {
    const repository = newRepository();
    const bytes = randomBytes(100);
    const digest = digestFor(bytes);
    await pushBlob(repository, bytes);
    const before = (await row(repository, digest))?.leased_until ?? 0;
    advance(hourMs);
    await pushBlob(repository, bytes);
    expect((await row(repository, digest))?.leased_until).toBeGreaterThan(before);
  });
});

test("a blob is unreferenced until a manifest references it, and after the last one is gone", async () => {
  const repository = newRepository();
  const bytes = randomBytes(100);
  const digest = digestFor(bytes);
  const since = async () => (await row(repository, digest))?.unreferenced_since;
  const beforeMs = Date.now();
  await pushBlob(repository, bytes);
  expect(await since()).toBeGreaterThanOrEqual(beforeMs);
  const manifests = ["1", "2"].map((id) =>
    imageManifest({ digest, size: 100 }, [], { annotations: { id } }),
  );
  /* oxlint-disable no-await-in-loop */
  for (const manifest of manifests) {
    expect((await putManifest(repository, digestFor(manifest), manifest)).status).toBe(201);
    expect(await since()).toBeNull();
  }
  for (const [at, manifest] of manifests.entries()) {
    expect(await since()).toBeNull();
    advance(minuteMs);
    const path = `/v2/${repository}/manifests/${digestFor(manifest)}`;
    expect((await send("DELETE", path)).status).toBe(202);
    expect(await since()).toBe(at === 0 ? null : Date.now());
  }
  /* oxlint-enable no-await-in-loop */
});
