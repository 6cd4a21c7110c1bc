import type { PolicySource } from "../../schemas/access-configuration.ts";
import { RegistryError } from "../../schemas/errors.ts";
import { parsePolicy, type Policy } from "../../schemas/policy.ts";
import { log } from "../../telemetry/log.ts";

/** How long a change of the stored policy may take to count. */
const storedMs = 60_000;
/** A policy has names and patterns: what is larger is something else. */
const storedBytesMax = 4 * 1024 * 1024;

const stored = new Map<string, { readonly policy: Policy; readonly untilMs: number }>();

/** The policy that is configured; from the bucket it is read once a minute. @throws RegistryError UNAVAILABLE, OVERLOADED */
export async function readPolicy(
  env: Env,
  source: PolicySource | undefined,
): Promise<Policy | undefined> {
  if (source === undefined) return undefined;
  if (source.kind === "given") return source.policy;
  const known = stored.get(source.key);
  if (known !== undefined && known.untilMs > Date.now()) return known.policy;
  const where = `REGISTRY_ACCESS_CONTROL_CONFIG is r2:${source.key}`;
  const object = await env.BLOBS.get(source.key).catch((error: unknown) => {
    log("error", "policy not read", { error: String(error) });
    throw new RegistryError("OVERLOADED", "the policy can't be read", { "Retry-After": "1" });
  });
  if (object === null)
    throw new RegistryError("UNAVAILABLE", `${where}, which is not in the bucket`);
  if (object.size > storedBytesMax) {
    throw new RegistryError("UNAVAILABLE", `${where}, which has more than ${storedBytesMax} bytes`);
  }
  const policy = parsePolicy(await object.text());
  if ("problem" in policy) throw new RegistryError("UNAVAILABLE", `${where}: ${policy.problem}`);
  stored.set(source.key, { policy, untilMs: Date.now() + storedMs });
  return policy;
}
