import { expect, test } from "vitest";
import { parseConfiguration } from "../../schemas/configuration.ts";

const account = "0123456789abcdef0123456789abcdef";
const all = {
  REGISTRY_R2_ACCOUNT_ID: account,
  REGISTRY_R2_BUCKET: "longshore-blobs",
  REGISTRY_R2_ACCESS_KEY_ID: "an-access-key",
  REGISTRY_R2_SECRET_ACCESS_KEY: "a-secret",
};

test("what is set is taken together", () => {
  const { configuration, problems } = parseConfiguration(all);
  expect(problems).toEqual([]);
  expect(configuration.directReads).toEqual({
    endpoint: `https://${account}.r2.cloudflarestorage.com`,
    bucket: "longshore-blobs",
    accessKeyId: "an-access-key",
    secretAccessKey: "a-secret",
    lifetimeSeconds: 300,
  });
});

test.each(Object.keys(all))("without %s alone, it is named", (name) => {
  const { configuration, problems } = parseConfiguration({ ...all, [name]: "" });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(`${name} is not set`);
  expect(configuration.directReads).toBeUndefined();
});

test.each([...Object.entries(all), ["REGISTRY_R2_URL_LIFETIME", "60"]])(
  "%s alone names the others",
  (name, value) => {
    const { problems } = parseConfiguration({ [name]: value });
    const missing = Object.keys(all).filter((other) => other !== name);
    expect(problems).toHaveLength(missing.length);
    for (const other of missing) {
      expect(problems.join("\n")).toMatch(new RegExp(`${other} is not set.* ${name} is`));
    }
  },
);

test.each([
  ["REGISTRY_R2_BUCKET", "Longshore", /^REGISTRY_R2_BUCKET is "Longshore"; allowed is /],
  ["REGISTRY_R2_BUCKET", "a/b", /^REGISTRY_R2_BUCKET is "a\/b"; allowed is /],
  ["REGISTRY_R2_ACCOUNT_ID", "acme", /^REGISTRY_R2_ACCOUNT_ID is "acme"; allowed are 32 hex/],
  [
    "REGISTRY_R2_ENDPOINT",
    "https://s3.example.com",
    /REGISTRY_R2_ENDPOINT are set: allowed is one/,
  ],
  ["REGISTRY_R2_URL_LIFETIME", "0", /^REGISTRY_R2_URL_LIFETIME is "0"; allowed is /],
  ["REGISTRY_R2_URL_LIFETIME", "604801", /^REGISTRY_R2_URL_LIFETIME is "604801"; allowed is /],
  ["REGISTRY_R2_ACCESS_KEY_ID", "a key\n", /^REGISTRY_R2_ACCESS_KEY_ID has a space/],
  ["REGISTRY_R2_SECRET_ACCESS_KEY", "the secret\n", /^REGISTRY_R2_SECRET_ACCESS_KEY has a space/],
])("%s=%s is one problem", (name, value, expected) => {
  const { configuration, problems } = parseConfiguration({ ...all, [name]: value });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(expected);
  expect(problems[0]).not.toContain("the secret");
  expect(configuration.directReads).toBeUndefined();
});

test("an endpoint stands in the account's place", () => {
  const { problems, configuration } = parseConfiguration({
    ...all,
    REGISTRY_R2_ACCOUNT_ID: "",
    REGISTRY_R2_ENDPOINT: "https://s3.example.com",
  });
  expect(problems).toEqual([]);
  expect(configuration.directReads?.endpoint).toBe("https://s3.example.com");
});
