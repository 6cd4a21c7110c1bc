import type { Configured } from "../../schemas/configuration.ts";
import { RegistryError } from "../../schemas/errors.ts";

/**
 * The one decision who may do what, before any handler runs. A registry whose configuration is
 * missing or wrong serves nobody. @throws RegistryError UNAVAILABLE
 */
export function decideAccess({ problems, configuration }: Configured): void {
  if (problems.length > 0) throw new RegistryError("UNAVAILABLE", problems.join("; "));
  switch (configuration.authType) {
    case "none":
  }
}
