import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { RunningRegistry } from "../standalone/running-registry.ts";
import { DeployedClone } from "./deployed-clone.ts";
import type { StandInAccount } from "./stand-in-account.ts";

const registry = new RunningRegistry();
let clone: DeployedClone;
let setUpAccount: StandInAccount;
let setUpConfiguration = "";

beforeAll(async () => {
  clone = await DeployedClone.make(registry.url);
  await clone.run("setup");
  setUpAccount = await clone.account();
  setUpConfiguration = await clone.configuration();
  await clone.calls();
}, 60_000);
beforeEach(async () => {
  await clone.changeAccount((account) => void Object.assign(account, setUpAccount));
  await clone.changeConfiguration(() => setUpConfiguration);
});
afterAll(() => clone.remove());

interface Finding {
  readonly state: string;
  readonly text: string;
  readonly mend?: string;
}

async function findings(...args: string[]): Promise<{ code: number | null; found: Finding[] }> {
  const { code, output } = await clone.run("doctor", ["--json", ...args]);
  return { code, found: (JSON.parse(output) as { findings: Finding[] }).findings };
}

test("after a setup all is right, and nothing is changed", async () => {
  const { code, found } = await findings();
  expect(found.filter(({ state }) => state !== "right")).toEqual([]);
  expect([code, found.length]).toEqual([0, 13]);
  expect(await clone.changes()).toEqual([]);
});

test("tells people of each finding, with what mends it", async () => {
  await clone.changeConfiguration((text) => text.replace("cpu_ms = 300_000", "cpu_ms = 50"));
  const { code, output, errors } = await clone.run("doctor");
  expect(code).toBe(1);
  expect(output).toContain("  right    the R2 bucket longshore-staging-blobs is there\n");
  expect(output).toContain("  wrong    limits.cpu_ms is 50: large layers end in the middle\n");
  expect(output).toContain("           mend: set cpu_ms = 300_000 under [limits]");
  expect(errors).toContain("longshore: 1 of 13 findings are wrong");
});

const setup = "npx longshore setup --env staging";
const stagingBlobs = "longshore-staging-blobs";

/** The lifecycle rule that a setup has made, as another. */
function changeRule(account: StandInAccount, action: string) {
  const bucket = account.buckets[stagingBlobs];
  for (const rule of bucket?.rules ?? []) rule.action = action;
}

type Change = [name: string, change: () => Promise<void>, text: string, mend: string];

test.each<Change>([
  [
    "a binding that is not there",
    () =>
      clone.changeConfiguration((text) =>
        text.replace(
          '[[env.staging.durable_objects.bindings]]\nname = "CATALOG"\nclass_name = "Catalog"\n',
          "",
        ),
      ),
    "[env.staging] of wrangler.toml has no binding CATALOG",
    "copy its table from the top",
  ],
  [
    "a bucket of another environment",
    () =>
      clone.changeConfiguration((text) =>
        text.replace(
          'bucket_name = "longshore-staging-blobs"',
          'bucket_name = "longshore-dev-blobs"',
        ),
      ),
    "longshore-dev-blobs is also another environment's",
    "give staging a name or id of its own",
  ],
  [
    "an id that is not filled in",
    () => clone.changeConfiguration((text) => text.replace(/\nid = "0*1"/, "")),
    "the KV namespace MANIFESTS has no id",
    setup,
  ],
  [
    "objects in another jurisdiction than the bucket",
    () =>
      clone.changeConfiguration((text) =>
        text.replace("[env.staging.vars]", '[env.staging.vars]\nREGISTRY_JURISDICTION = "eu"'),
      ),
    "the bucket's jurisdiction is not limited, and REGISTRY_JURISDICTION",
    "write the same to both",
  ],
  [
    "no bucket",
    () => clone.changeAccount((account) => void delete account.buckets[stagingBlobs]),
    `the R2 bucket ${stagingBlobs} is not there`,
    setup,
  ],
  [
    "a rule that deletes blobs",
    () => clone.changeAccount((account) => changeRule(account, "Expire objects after 9 days")),
    "deletes blobs behind the registry's back",
    `npx wrangler r2 bucket lifecycle remove ${stagingBlobs} --name "longshore-abort-uploads"`,
  ],
  [
    "a namespace that is gone",
    () => clone.changeAccount((account) => void account.namespaces.shift()),
    "the account has no KV namespace 00000000000000000000000000000001",
    "log in to the account that has it",
  ],
  [
    "no key for tokens",
    () =>
      clone.changeAccount(({ workers }) => {
        delete workers["longshore-staging"]?.secrets["REGISTRY_AUTH_TOKEN_PRIVATEKEY"];
      }),
    "there is no key that signs tokens",
    setup,
  ],
  [
    "no users",
    () =>
      clone.changeAccount(({ workers }) => {
        delete workers["longshore-staging"]?.secrets["REGISTRY_AUTH_HTPASSWD"];
      }),
    "nobody can log in",
    setup,
  ],
  [
    "no Worker",
    () => clone.changeAccount((account) => void (account.workers = {})),
    "the Worker longshore-staging is not deployed",
    setup,
  ],
  [
    "nobody logged in",
    () => clone.changeAccount((account) => void (account.isLoggedIn = false)),
    "run npx wrangler login",
    "npx wrangler whoami",
  ],
])("%s is wrong", async (_name, change, text, mend) => {
  await change();
  const { code, found } = await findings();
  expect(code).toBe(1);
  const wrong = found.filter(({ state }) => state === "wrong");
  expect(wrong).toContainEqual({
    state: "wrong",
    text: expect.stringContaining(text),
    mend: expect.stringContaining(mend),
  });
});

test.each<Change>([
  [
    "no rule for abandoned uploads",
    () => clone.changeAccount((account) => changeRule(account, "(none)")),
    "no lifecycle rule ends abandoned multipart uploads",
    setup,
  ],
  [
    "other code than what is served",
    () => clone.changeAccount((account) => void (account.code = "other")),
    "the Worker longshore-staging serves longshore-",
    setup,
  ],
  [
    "no limit of bodies",
    () =>
      clone.changeConfiguration((text) =>
        text.replace(/(\[env\.staging\.vars\]\n)REGISTRY_MAX_BODY.*\n/, "$1"),
      ),
    "REGISTRY_MAX_BODY is not set",
    'set REGISTRY_MAX_BODY = "100000000" under [env.staging.vars]',
  ],
])("%s is a warning", async (_name, change, text, mend) => {
  await change();
  const { code, found } = await findings();
  expect(code).toBe(0);
  expect(found).toContainEqual({
    state: "warning",
    text: expect.stringContaining(text),
    mend: expect.stringContaining(mend),
  });
});

test("a registry that is not ready is wrong", async () => {
  const { code, found } = await findings("--url", "http://127.0.0.1:9");
  expect(code).toBe(1);
  const text = expect.stringMatching(/^http:\/\/127\.0\.0\.1:9\/readyz: /);
  expect(found.at(-1)).toMatchObject({ state: "wrong", text });
});
