import { RegistryError } from "../../schemas/errors.ts";

/**
 * The one decision who may do what, before any handler runs. A registry whose configuration is
 * missing or wrong serves nobody; the one access type there is, `none`, lets everybody do everything.
 * @throws RegistryError UNAVAILABLE
 */
export function decideAccess(problems: readonly string[]): void {
  if (problems.length > 0) throw new RegistryError("UNAVAILABLE", problems.join("; "));
}
