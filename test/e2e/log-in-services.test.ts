/** Real clients at a registry whose tokens another service makes, and at one that has no tokens. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeHtpasswd } from "./account.ts";
import { Cleanup } from "./cleanup.ts";
import { complaintOf } from "./command.ts";
import { type ImageClient, type ImageClientName, imageClients } from "./image-clients.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { Registry } from "./registry.ts";
import { TokenIssuer } from "./token-issuer.ts";

const cleanup = new Cleanup();
const alice = { name: "alice", password: "correct-horse", actions: ["pull", "push"] };
const rita = { name: "rita", password: "reads-only", actions: ["pull"] };
const service = "registry.example.com";
const clients = new Map<ImageClientName, ImageClient>();
let folder: string;
let issuer: TokenIssuer;

beforeAll(async () => {
  folder = await cleanup.folder();
  issuer = cleanup.own(await TokenIssuer.start([alice, rita]));
});

afterAll(async () => cleanup.run());

async function clientOf(name: ImageClientName): Promise<ImageClient> {
  const client = clients.get(name) ?? (await imageClients[name](await cleanup.folder()));
  if (!clients.has(name)) clients.set(name, cleanup.own(client));
  return client;
}

/** A registry with an image in it, which was pushed by alice. */
class Seeded {
  readonly registry: Registry;
  readonly #layer: Layer;

  static async start(seed: string, variables: Readonly<Record<string, string>>): Promise<Seeded> {
    const registry = cleanup.own(await Registry.start({ variables }));
    const seeded = new Seeded(registry, await makeLayer(folder, { seed, bytes: 1000 }));
    const publisher = await clientOf("crane");
    await publisher.logIn(registry.address, alice);
    await publisher.push(seeded.image, [seeded.#layer]);
    await publisher.logOut(registry.address);
    return seeded;
  }

  constructor(registry: Registry, layer: Layer) {
    this.registry = registry;
    this.#layer = layer;
  }

  get image(): string {
    return `${this.registry.address}/public/seed:1`;
  }

  /** Has a client pull the image. */
  async expectPull(client: ImageClient): Promise<void> {
    expect(await client.pull(this.image)).toEqual([this.#layer.diffId]);
  }

  /** Has a client pull as rita, who may not push, and push as alice. */
  async expectLogins(name: ImageClientName, refused: RegExp): Promise<void> {
    const client = await clientOf(name);
    const { address } = this.registry;
    const seed = `${name.replaceAll(/\W/gu, "-")}-${address.replaceAll(/\W/gu, "-")}`;
    const layer = await makeLayer(folder, { seed, bytes: 1000 });
    const image = `${address}/team/${seed}:1`;
    await client.logIn(address, rita);
    await this.expectPull(client);
    expect(await complaintOf(client.push(image, [layer]))).toMatch(refused);
    await client.logIn(address, alice);
    await client.push(image, [layer]);
    await client.logOut(address);
  }
}

describe("with another token service", () => {
  let seeded: Seeded;

  beforeAll(async () => {
    seeded = await Seeded.start("of-a-service", {
      REGISTRY_AUTH_TYPE: "token",
      REGISTRY_AUTH_TOKEN_REALM: `${issuer.url}/token`,
      REGISTRY_AUTH_TOKEN_SERVICE: service,
      REGISTRY_AUTH_TOKEN_ISSUER: issuer.url,
      REGISTRY_AUTH_TOKEN_PUBLICKEY: `${issuer.url}/jwks.json`,
    });
  });

  // A token with less than was asked for is refused with a challenge: clients say what they make of it.
  test.each<[ImageClientName, RegExp]>([
    ["docker 20.10", /^denied: requested access to the resource is denied$/mu],
    ["docker 29", /^push access denied, .* insufficient_scope/mu],
    ["containerd 2.4", /^ctr: push access denied, .* insufficient_scope/mu],
    ["podman", /^unauthorized: authentication required: for repository:team\/.*:pull,push$/mu],
    ["crane", /UNAUTHORIZED: authentication required: for repository:team\/.*:pull,push;/u],
  ])("%s does what the tokens that it gets there are for", async (name, refused) => {
    await seeded.expectLogins(name, refused);
  });

  test("containerd by hosts.toml sends its token as the password", async () => {
    const client = await clientOf("containerd 2.4 by hosts.toml");
    const access = [{ type: "repository", name: "public/seed", actions: ["pull"] }];
    const password = await issuer.token(service, { sub: "alice", access });
    await client.logIn(seeded.registry.address, { name: "alice", password });
    await seeded.expectPull(client);
  });
});

describe("with Basic alone", () => {
  let seeded: Seeded;

  beforeAll(async () => {
    const files = { users: join(folder, "users"), policy: join(folder, "policy.json") };
    await writeHtpasswd(files.users, [alice, rita]);
    const rules = [
      { repository: "public/**", users: ["anonymous"], permissions: ["pull"] },
      { repository: "**", users: ["alice"], permissions: ["pull", "push"] },
      { repository: "**", users: ["rita"], permissions: ["pull"] },
    ];
    await writeFile(files.policy, JSON.stringify({ rules }));
    seeded = await Seeded.start("of-basic", {
      REGISTRY_AUTH_TYPE: "basic",
      REGISTRY_AUTH_HTPASSWD: files.users,
      REGISTRY_ACCESS_CONTROL_CONFIG: files.policy,
    });
  });

  test("docker 20.10 pulls nothing without a log-in, even what is public", async () => {
    const client = await clientOf("docker 20.10");
    expect(await complaintOf(client.pull(seeded.image))).toContain("no basic auth credentials");
  });

  test("crane pulls without a log-in what is public", async () => {
    await seeded.expectPull(await clientOf("crane"));
  });

  test.each<[ImageClientName, RegExp]>([
    ["docker 20.10", /denied: requested access to the resource is denied: push in team\//u],
    ["docker 29", /requested access to the resource is denied: push in team\//u],
    ["crane", /DENIED: requested access to the resource is denied: push in team\//u],
  ])("%s logs in, pushes and pulls", async (name, denied) => {
    await seeded.expectLogins(name, denied);
  });
});
