import { expect, test } from "vitest";
import { type Configuration, parseConfiguration } from "../../schemas/configuration.ts";

test("without variables everything has its preset", () => {
  const expected: Configuration = {
    url: undefined,
    uploadUrl: undefined,
    bodyBytesMax: undefined,
    directReads: undefined,
    jurisdiction: undefined,
    corsOrigins: [],
    uploadTimeoutMs: 3_600_000,
    uploadCleanupIntervalMs: 300_000,
    reads: "digest",
    validateReferences: true,
    collection: { graceMs: 86_400_000, untaggedMs: undefined, deletesReferrers: false },
    scrubRate: 50_000_000,
    pageLimits: { defaultLimit: 100, maxLimit: 1000 },
    logLevel: "info",
  };
  expect(parseConfiguration({})).toEqual({ configuration: expected, problems: [] });
});

test.each([
  ["REGISTRY_UPLOAD_TIMEOUT", "60", { uploadTimeoutMs: 60_000 }],
  ["REGISTRY_UPLOAD_TIMEOUT", "518400", { uploadTimeoutMs: 518_400_000 }],
  ["REGISTRY_UPLOAD_CLEANUP_INTERVAL", "1", { uploadCleanupIntervalMs: 1000 }],
  [
    "REGISTRY_UPLOAD_URL",
    "https://uploads.example.com",
    { uploadUrl: "https://uploads.example.com" },
  ],
  ["REGISTRY_MAX_BODY", "100000000", { bodyBytesMax: 100_000_000 }],
  ["REGISTRY_MAX_BODY", "65536", { bodyBytesMax: 65_536 }],
  ["REGISTRY_MAX_BODY", "", { bodyBytesMax: undefined }],
  ["REGISTRY_JURISDICTION", "eu", { jurisdiction: "eu" }],
  ["REGISTRY_JURISDICTION", "fedramp-high", { jurisdiction: "fedramp-high" }],
  ["REGISTRY_JURISDICTION", "", { jurisdiction: undefined }],
  ["REGISTRY_READS", "strong", { reads: "strong" }],
  ["REGISTRY_VALIDATE_REFERENCES", "false", { validateReferences: false }],
  ["REGISTRY_VALIDATE_REFERENCES", "", { validateReferences: true }],
  ["REGISTRY_GC_GRACE", "1", { collection: { graceMs: 1000 } }],
  ["REGISTRY_GC_UNTAGGED", "604800", { collection: { untaggedMs: 604_800_000 } }],
  ["REGISTRY_GC_UNTAGGED", "0", { collection: { untaggedMs: 0 } }],
  ["REGISTRY_GC_UNTAGGED", "", { collection: { untaggedMs: undefined } }],
  ["REGISTRY_GC_REFERRERS", "delete", { collection: { deletesReferrers: true } }],
  ["REGISTRY_SCRUB_RATE", "1000000", { scrubRate: 1_000_000 }],
  ["REGISTRY_LOG_LEVEL", "debug", { logLevel: "debug" }],
  ["REGISTRY_LOG_LEVEL", "error", { logLevel: "error" }],
  ["REGISTRY_PAGINATION_DEFAULT_LIMIT", "7", { pageLimits: { defaultLimit: 7, maxLimit: 1000 } }],
  ["REGISTRY_PAGINATION_MAX_LIMIT", "50", { pageLimits: { defaultLimit: 50, maxLimit: 50 } }],
])("%s=%s is %j", (name, value, expected) => {
  const { configuration, problems } = parseConfiguration({ [name]: value });
  expect(problems).toEqual([]);
  expect(configuration).toMatchObject(expected);
});

test.each([
  ["REGISTRY_UPLOAD_TIMEOUT", "0"],
  ["REGISTRY_UPLOAD_TIMEOUT", "-1"],
  ["REGISTRY_UPLOAD_TIMEOUT", "1h"],
  ["REGISTRY_UPLOAD_TIMEOUT", "1.5"],
  ["REGISTRY_UPLOAD_TIMEOUT", "1e3"],
  ["REGISTRY_UPLOAD_TIMEOUT", "518401"],
  ["REGISTRY_UPLOAD_CLEANUP_INTERVAL", "0"],
  ["REGISTRY_UPLOAD_URL", "https://uploads.example.com/v2"],
  ["REGISTRY_UPLOAD_URL", "uploads.example.com"],
  ["REGISTRY_MAX_BODY", "65535"],
  ["REGISTRY_MAX_BODY", "100MB"],
  ["REGISTRY_MAX_BODY", "5000000000001"],
  ["REGISTRY_JURISDICTION", "EU"],
  ["REGISTRY_READS", "weak"],
  ["REGISTRY_VALIDATE_REFERENCES", "yes"],
  ["REGISTRY_GC_GRACE", " 1"],
  ["REGISTRY_GC_GRACE", "0"],
  ["REGISTRY_GC_UNTAGGED", "7d"],
  ["REGISTRY_GC_REFERRERS", "remove"],
  ["REGISTRY_SCRUB_RATE", "0"],
  ["REGISTRY_LOG_LEVEL", "INFO"],
  ["REGISTRY_PAGINATION_DEFAULT_LIMIT", "0"],
  ["REGISTRY_PAGINATION_MAX_LIMIT", "9".repeat(20)],
])("%s=%s is one problem, with the name, the value and what is allowed", (name, value) => {
  const { problems } = parseConfiguration({ [name]: value });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(`${name} is "${value}"; allowed is `);
});

test("all problems are told at once", () => {
  const { problems } = parseConfiguration({ REGISTRY_READS: "x", REGISTRY_GC_GRACE: "y" });
  expect(problems).toHaveLength(2);
});

test("what is no text, like a binding, is not read", () => {
  expect(parseConfiguration({ REGISTRY_READS: { get: () => "x" } }).problems).toEqual([]);
});
