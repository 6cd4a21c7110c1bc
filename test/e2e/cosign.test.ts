/** cosign signs images with a key pair and verifies them, in each way in which it keeps signatures. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { type Output, run } from "./command.ts";
import { type Descriptor, makeMultiPlatformLayout } from "./oci-layout.ts";
import { Registry } from "./registry.ts";
import { tools } from "./tools.ts";

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
let digest: string;

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  const layout = await makeMultiPlatformLayout(join(folder, "made"));
  for (const { name } of ways) {
    await crane("push", layout.folder, `${image(name)}:v1`);
  }
  digest = (await crane("digest", `${image("tag")}:v1`)).stdout.trim();
  // Nobody but the keys is trusted, so that nothing is asked of sigstore's servers.
  const root = { mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1" };
  await writeFile(trustedRoot(), JSON.stringify(root));
  await makeKeyPair("own");
  await makeKeyPair("other");
});

afterAll(async () => cleanup.run());

const image = (name: string): string => `${registry.address}/cosign/${name}`;
const trustedRoot = (): string => join(folder, "trusted-root.json");

/** Runs crane with an empty configuration. */
async function crane(...args: readonly string[]): Promise<Output> {
  return run(tools.crane, ["--insecure", ...args], { env: { DOCKER_CONFIG: folder } });
}

/** Runs cosign in a folder of the test's, with a password for its keys, and with nothing of the user's. */
async function cosign(cwd: string, ...args: readonly string[]): Promise<Output> {
  const own = { HOME: folder, DOCKER_CONFIG: folder, COSIGN_PASSWORD: "test" };
  return run(tools.cosign, args, { cwd, env: { ...own, COSIGN_EXPERIMENTAL: "1" } });
}

async function makeKeyPair(name: string): Promise<void> {
  await mkdir(join(folder, name));
  await cosign(join(folder, name), "generate-key-pair");
}

/** How cosign keeps a signature, how to ask for it, and what it says without one and with another key. */
const ways = [
  {
    name: "tag",
    title: "as an image with a tag",
    sign: [],
    verify: [],
    missing: "no signatures found",
    refusal: "no matching signatures",
    artifactType: undefined,
  },
  {
    name: "referrer",
    title: "as a referrer",
    sign: ["--registry-referrers-mode=oci-1-1"],
    verify: ["--experimental-oci11"],
    missing: "no signatures found",
    refusal: "no signatures found",
    artifactType: "application/vnd.dev.cosign.artifact.sig.v1+json",
  },
  {
    name: "bundle",
    title: "as a referrer that is a bundle",
    sign: ["--new-bundle-format"],
    verify: ["--new-bundle-format"],
    missing: "no valid bundles exist",
    refusal: "no matching attestations",
    artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json",
  },
] as const;

describe.each(ways.map((way) => [way.title, way] as const))("a signature %s", (_, way) => {
  const { name, sign, verify, missing, refusal, artifactType } = way;
  const signed = (): string => `${image(name)}@${digest}`;

  async function verifyWith(keys: string): Promise<string> {
    const key = `--key=${join(folder, keys, "cosign.pub")}`;
    const trust = ["--insecure-ignore-tlog", `--trusted-root=${trustedRoot()}`];
    const flags = ["--allow-http-registry", key, ...trust, ...verify];
    return (await cosign(folder, "verify", ...flags, signed())).stdout;
  }

  test("is missing before cosign signs", async () => {
    await expect(verifyWith("own")).rejects.toThrow(missing);
  });

  test("is pushed by cosign", async () => {
    const key = `--key=${join(folder, "own", "cosign.key")}`;
    const flags = ["--allow-http-registry", "--tlog-upload=false", "--yes", key, ...sign];
    await cosign(folder, "sign", ...flags, signed());

    const response = await fetch(`${registry.url}/v2/cosign/${name}/referrers/${digest}`);
    const { manifests }: { manifests: (Descriptor & { artifactType: string })[] } =
      await response.json();
    const types = manifests.map((manifest) => manifest.artifactType);
    expect(types).toEqual(artifactType === undefined ? [] : [artifactType]);
    const tags = (await crane("ls", image(name))).stdout.trim().split("\n");
    const tag = `${digest.replace(":", "-")}.sig`;
    expect(tags).toEqual(artifactType === undefined ? [tag, "v1"] : ["v1"]);
  });

  test("is verified by cosign, after a restart of the registry", async () => {
    await registry.restart();
    expect(JSON.parse(await verifyWith("own"))).toMatchObject([
      { critical: { image: { "docker-manifest-digest": digest } } },
    ]);
  });

  test("is refused by cosign with another key", async () => {
    await expect(verifyWith("other")).rejects.toThrow(refusal);
  });
});

test("cosign removes the signatures of an image by their tag", async () => {
  const signed = `${image("tag")}@${digest}`;
  await cosign(folder, "clean", "--force", "--allow-http-registry", signed);
  expect((await crane("ls", image("tag"))).stdout.trim()).toBe("v1");
});
