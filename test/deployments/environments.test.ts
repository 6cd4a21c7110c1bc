import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse } from "smol-toml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);

/** Each environment, and the name of its bucket. The first is the top level of wrangler.toml. */
const environments = [
  { environment: "", bucket: "longshore-blobs" },
  { environment: "dev", bucket: "longshore-dev-blobs" },
  { environment: "staging", bucket: "longshore-staging-blobs" },
  { environment: "production", bucket: "longshore-production-blobs" },
];

const classes = ["UploadSession", "Repository", "BlobIndex", "Catalog", "Maintenance"];

describe.each(environments)("the deployment of environment '$environment'", (row) => {
  let folder = "";
  let output = "";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "longshore-deployment-"));
    const { stdout } = await run("wrangler", [
      "deploy",
      "--dry-run",
      `--env=${row.environment}`,
      `--outdir=${folder}`,
    ]);
    output = stdout;
  }, 120_000);

  afterAll(() => rm(folder, { recursive: true }));

  test.each([
    /env\.UPLOAD_SESSION \(UploadSession\) +Durable Object/,
    /env\.REPOSITORY \(Repository\) +Durable Object/,
    /env\.BLOB_INDEX \(BlobIndex\) +Durable Object/,
    /env\.CATALOG \(Catalog\) +Durable Object/,
    /env\.MAINTENANCE \(Maintenance\) +Durable Object/,
    /env\.MANIFESTS +KV Namespace/,
    /env\.TAGS +KV Namespace/,
    /env\.LOGIN_FAILURES .* +Rate Limit/,
    /env\.ANALYTICS \(longshore_requests\w*\) +Analytics Engine Dataset/,
  ])("has the binding %s", (binding) => {
    expect(output).toMatch(binding);
  });

  test("has a bucket of its own", () => {
    expect(output).toMatch(new RegExp(`env\\.BLOBS \\(${row.bucket}\\) +R2 Bucket`));
  });

  test("has a dataset of its own", () => {
    const dataset = row.bucket.replace(/-blobs$/, "").replace("longshore", "longshore_requests");
    expect(output).toContain(`env.ANALYTICS (${dataset.replace("-", "_")})`);
  });

  test("says what the edge takes in a request, where one is in front of it", () => {
    const said = /env\.REGISTRY_MAX_BODY \("(\d+)"\)/.exec(output)?.[1];
    expect(said).toBe(row.environment === "dev" ? undefined : "100000000");
  });

  test("has no variable that opens it to everybody", () => {
    expect(output).not.toContain("REGISTRY_AUTH_TYPE");
  });

  test.each(classes)("exports the class %s", async (name) => {
    const bundle = await readFile(join(folder, "registry.js"), "utf8");
    const exported = bundle.slice(bundle.lastIndexOf("export {"));
    expect(exported).toMatch(new RegExp(`\\b${name}\\b`));
  });
});

describe("wrangler.toml", async () => {
  const config = parse(await readFile("wrangler.toml", "utf8"));

  test.each(classes)("stores the class %s in SQLite", (name) => {
    expect(config["exports"]).toHaveProperty(name, { type: "durable-object", storage: "sqlite" });
  });

  test("allows five minutes of CPU, redacts queries and makes no preview URLs", () => {
    expect(config["limits"]).toMatchObject({ cpu_ms: 300_000 });
    expect(config["observability"]).toEqual({ enabled: true, redact_query_string: true });
    expect(config["preview_urls"]).toBe(false);
  });
});
