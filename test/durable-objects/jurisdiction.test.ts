import { env } from "cloudflare:workers";
import { expect, test, vi } from "vitest";
import { boundedEnv } from "../../stores/bounded-env.ts";

const bindings = ["UPLOAD_SESSION", "REPOSITORY", "BLOB_INDEX", "CATALOG", "MAINTENANCE"] as const;

/** workerd itself knows no jurisdictions: a stand-in says which one was asked for. */
function placeable(binding: string) {
  return { binding, jurisdiction: (name: string) => `${binding} in ${name}` };
}

function envIn(jurisdiction: string | undefined): Env {
  const objects = Object.fromEntries(bindings.map((name) => [name, placeable(name)]));
  return { ...env, ...objects, REGISTRY_JURISDICTION: jurisdiction } as unknown as Env;
}

test.each(["eu", "us", "fedramp", "fedramp-high"])(
  "all objects are those of %s",
  (jurisdiction) => {
    const placed = boundedEnv(envIn(jurisdiction));
    for (const name of bindings) expect(placed[name]).toBe(`${name} in ${jurisdiction}`);
  },
);

test.each([undefined, "", "mars"])("with %j, objects are anywhere", (jurisdiction) => {
  const placed = boundedEnv(envIn(jurisdiction));
  for (const name of bindings) expect(placed[name]).toMatchObject({ binding: name });
});

test("the jurisdiction of a deployment is asked for once", () => {
  const one = envIn("eu");
  const asked = vi.spyOn(one.REPOSITORY, "jurisdiction");
  boundedEnv(one);
  boundedEnv(one);
  expect(asked).toHaveBeenCalledTimes(1);
});
