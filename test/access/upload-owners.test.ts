import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { digestOf, refusal } from "../client.ts";
import { sendTo } from "../configured.ts";
import {
  basic,
  type Credentials,
  htpasswd,
  nobody,
  tokenOf,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";

const policy = JSON.stringify({
  rules: [
    { repository: "team/**", users: ["alice", "bob"], permissions: ["pull", "push"] },
    { repository: "team/**", users: ["rita"], permissions: ["pull"] },
  ],
});

const alice = basic("alice", "alice's");
const bob = basic("bob", "bob's");
const rita = basic("rita", "rita's");

let variables: Variables;
let repository: string;
let session: string;
const [bytes, rest] = ["the first half, ", "the second half"];
const digest = digestOf(bytes + rest);

beforeAll(async () => {
  variables = await tokenRegistry({
    REGISTRY_AUTH_HTPASSWD: htpasswd({ bob: "bob's" }),
    REGISTRY_ACCESS_CONTROL_CONFIG: policy,
  });
});

beforeEach(async () => {
  repository = `team/r${crypto.randomUUID()}`;
  session = await begin(alice);
});

/** Begins a session and sends its first half; answers its path. */
async function begin(headers: Credentials): Promise<string> {
  const post = await sendTo(variables, "POST", `/v2/${repository}/blobs/uploads/`, { headers });
  const location = post.headers.get("Location") ?? "";
  const patch = await sendTo(variables, "PATCH", location, { headers, body: bytes });
  if (patch.status !== 202) throw new Error(await patch.text());
  return patch.headers.get("Location") ?? "";
}

async function expectUntouched(): Promise<void> {
  const status = await sendTo(variables, "GET", session, { headers: alice });
  expect([status.status, status.headers.get("Range")]).toEqual([204, `0-${bytes.length - 1}`]);
  const headers = alice;
  const closing = `${session}?digest=${digest}`;
  expect((await sendTo(variables, "PUT", closing, { headers, body: rest })).status).toBe(201);
}

const verbs: [string, string, string | undefined][] = [
  ["GET", "", undefined],
  ["PATCH", "", rest],
  ["PUT", `?digest=${digest}`, rest],
  ["PUT", `?digest=${digest}`, bytes + rest],
  ["DELETE", "", undefined],
];

describe.each(verbs)("%s%s of a session", (method, query, body) => {
  const ask = (path: string, headers: Credentials) =>
    sendTo(variables, method, path + query, body === undefined ? { headers } : { headers, body });

  test.each<[string, () => Promise<Credentials>]>([
    ["another user", async () => bob],
    ["another user by token", () => tokenOf(variables, bob, `repository:${repository}:pull,push`)],
  ])("by %s is 404, and leaves it as it was", async (_case, credentials) => {
    const response = await ask(session, await credentials());
    expect(await refusal(response)).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
    await expectUntouched();
  });

  test("in another repository is 404, and leaves it as it was", async () => {
    const elsewhere = session.replace(repository, `${repository}-other`);
    const response = await ask(elsewhere, alice);
    expect(await refusal(response)).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
    await expectUntouched();
  });

  test.each<[string, Credentials, number]>([
    ["nobody", nobody, 401],
    ["a reader", rita, 403],
  ])("by %s is %i", async (_case, credentials, status) => {
    expect((await ask(session, credentials)).status).toBe(status);
    await expectUntouched();
  });

  test("that was forged is 404", async () => {
    const changed = session.endsWith("A") ? `${session.slice(0, -1)}E` : `${session.slice(0, -1)}A`;
    for (const forged of [
      changed,
      `${session}A`,
      session.slice(0, -4),
      `/v2/${repository}/blobs/uploads/abc`,
    ]) {
      // oxlint-disable-next-line no-await-in-loop
      const answer = await refusal(await ask(forged, alice));
      expect(answer, forged).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
    }
    await expectUntouched();
  });

  test("by who may not push any more is 403", async () => {
    const changed = policy.replace('["alice","bob"]', '["bob"]');
    const response = await sendTo(
      { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: changed },
      method,
      session + query,
      body === undefined ? { headers: alice } : { headers: alice, body },
    );
    expect(await refusal(response)).toEqual([403, "DENIED"]);
    await expectUntouched();
  });
});

function byToken(): Promise<Credentials> {
  return tokenOf(variables, alice, `repository:${repository}:pull,push`);
}

describe("the same user goes on", () => {
  const ways: [string, () => Promise<Credentials>, () => Promise<Credentials>][] = [
    ["with Basic after Bearer", byToken, async () => alice],
    ["with Bearer after Basic", async () => alice, byToken],
    ["with another token", byToken, byToken],
  ];

  test.each(ways)("%s", async (_case, first, second) => {
    const location = await begin(await first());
    const headers = await second();
    const status = await sendTo(variables, "GET", location, { headers });
    expect([status.status, status.headers.get("Range")]).toEqual([204, `0-${bytes.length - 1}`]);
    const patch = await sendTo(variables, "PATCH", location, { headers, body: rest });
    expect(patch.status).toBe(202);
    const closing = `${patch.headers.get("Location")}?digest=${digest}`;
    expect((await sendTo(variables, "PUT", closing, { headers })).status).toBe(201);
    // A client whose answer was lost sends its PUT again.
    expect((await sendTo(variables, "PUT", closing, { headers: await first() })).status).toBe(201);
  });

  test("but not with what was begun before there were users", async () => {
    const open = { REGISTRY_AUTH_TYPE: "none" };
    const post = await sendTo(open, "POST", `/v2/${repository}/blobs/uploads/`);
    const location = post.headers.get("Location") ?? "";
    const response = await sendTo(variables, "PATCH", location, { headers: alice, body: bytes });
    expect(await refusal(response)).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });
});
