import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Configuration, parseConfiguration } from "../../schemas/configuration.ts";
import { nearly, tries } from "./laws.ts";

/** The numbers of README's table: variable, least, most, and where the value is to be found. */
const numbers: [string, number, number, (configuration: Configuration) => number][] = [
  ["REGISTRY_UPLOAD_TIMEOUT", 1, 518_400, ({ uploadTimeoutMs }) => uploadTimeoutMs / 1000],
  [
    "REGISTRY_UPLOAD_CLEANUP_INTERVAL",
    1,
    86_400,
    ({ uploadCleanupIntervalMs }) => uploadCleanupIntervalMs / 1000,
  ],
  ["REGISTRY_GC_GRACE", 1, 366 * 86_400, ({ collection }) => collection.graceMs / 1000],
  ["REGISTRY_PAGINATION_MAX_LIMIT", 1, 10_000, ({ pageLimits }) => pageLimits.maxLimit],
];

const words: [string, string[]][] = [
  ["REGISTRY_READS", ["strong", "digest"]],
  ["REGISTRY_VALIDATE_REFERENCES", ["true", "false"]],
];

describe.each(numbers)("%s", (name, min, max, valueOf) => {
  const near = fc.oneof(
    fc.constantFrom(min - 1, min, min + 1, max - 1, max, max + 1),
    fc.integer({ min, max }),
    fc.integer({ min: -10, max: 2 * max }),
  );

  test("is a whole number within its bounds, or one problem that names it", () => {
    fc.assert(
      fc.property(nearly(near.map(String)), (text) => {
        const variables = { [name]: text };
        const { configuration, problems } = parseConfiguration(variables);
        const isRight = /^[0-9]{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max;
        const told = `${name} is "${text}"; allowed is a whole number from ${min} to ${max}`;
        expect(problems).toEqual(isRight || text === "" ? [] : [told]);
        if (isRight) expect(valueOf(configuration)).toBe(Number(text));
      }),
      tries,
    );
  });
});

describe.each(words)("%s", (name, allowed) => {
  test(`is one of ${allowed.join(", ")}, or one problem that names it`, () => {
    fc.assert(
      fc.property(nearly(fc.constantFrom(...allowed)), (text) => {
        const { problems } = parseConfiguration({ [name]: text });
        const told = `${name} is "${text}"; allowed is ${allowed.join(" or ")}`;
        expect(problems).toEqual(allowed.includes(text) || text === "" ? [] : [told]);
      }),
      tries,
    );
  });
});

describe("an origin", () => {
  const origins = fc
    .tuple(
      fc.constantFrom("http", "https", "ftp", "HTTP", "file"),
      fc.constantFrom("a", "registry.example.com", "127.0.0.1", "[::1]", "a_b", "EXAMPLE.com", ""),
      fc.constantFrom("", ":5000", ":80", ":443", ":0", ":65536", ":x"),
      fc.constantFrom("", "/", "/a", "?a", "#a"),
    )
    .map(([scheme, host, port, rest]) => `${scheme}://${host}${port}${rest}`);
  /** What browsers write: scheme and host in lower case, no default port, nothing behind. */
  const written = /^(http|https):\/\/[^/?#@\\\sA-Z]+$/;

  test("of REGISTRY_URL is an origin but for one slash, or one problem that names it", () => {
    fc.assert(
      fc.property(nearly(origins), (text) => {
        const variables = { REGISTRY_URL: text };
        const { configuration, problems } = parseConfiguration(variables);
        if (problems.length === 0) expect(configuration.url ?? "").toBe(text.replace(/\/$/, ""));
        if (configuration.url !== undefined) expect(configuration.url).toMatch(written);
        else expect(problems.length).toBe(text === "" ? 0 : 1);
        expect(problems.join("")).toContain(
          problems.length === 0 ? "" : `REGISTRY_URL is "${text}"`,
        );
      }),
      tries,
    );
  });

  test("of REGISTRY_CORS_ORIGINS is one of those that are listed, or all are one problem", () => {
    fc.assert(
      fc.property(fc.array(nearly(origins), { maxLength: 3 }), (texts) => {
        const text = texts.join(", ");
        const variables = { REGISTRY_CORS_ORIGINS: text };
        const { configuration, problems } = parseConfiguration(variables);
        if (problems.length > 0) {
          expect(problems).toEqual([expect.stringContaining("REGISTRY_CORS_ORIGINS has ")]);
          expect(configuration.corsOrigins).toEqual([]);
          return;
        }
        if (configuration.corsOrigins === "*") return expect(text.trim()).toBe("*");
        for (const origin of configuration.corsOrigins) {
          expect(origin).toMatch(written);
          expect(text).toContain(origin);
        }
      }),
      tries,
    );
  });
});

test("a default page is never longer than the longest", () => {
  const limits = fc.integer({ min: 1, max: 10_000 });
  fc.assert(
    fc.property(limits, limits, (preset, most) => {
      const { pageLimits } = parseConfiguration({
        REGISTRY_PAGINATION_DEFAULT_LIMIT: String(preset),
        REGISTRY_PAGINATION_MAX_LIMIT: String(most),
      }).configuration;
      expect(pageLimits).toEqual({ defaultLimit: Math.min(preset, most), maxLimit: most });
    }),
    tries,
  );
});

test("whatever the variables hold, the configuration is whole and each problem names a variable", () => {
  const names = [...numbers, ...words].map(([name]) => name);
  names.push("REGISTRY_URL", "REGISTRY_CORS_ORIGINS", "REGISTRY_PAGINATION_DEFAULT_LIMIT");
  const values = fc.oneof(fc.string({ unit: "binary" }), fc.anything());
  const variables = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), values);
  fc.assert(
    fc.property(variables, (given) => {
      const { configuration, problems } = parseConfiguration(given);
      for (const [, min, max, valueOf] of numbers) {
        expect(valueOf(configuration)).toBeGreaterThanOrEqual(min);
        expect(valueOf(configuration)).toBeLessThanOrEqual(max);
      }
      for (const problem of problems) expect(problem).toMatch(/^REGISTRY_[A-Z_]+ (is|has) /);
    }),
    tries,
  );
});
