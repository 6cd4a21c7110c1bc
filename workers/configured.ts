import {
  type AccessConfiguration,
  parseAccessConfiguration,
} from "../schemas/access-configuration.ts";
import { type Configuration, parseConfiguration } from "../schemas/configuration.ts";

/** All that the environment's variables say. */
export interface Configured {
  readonly configuration: Configuration;
  readonly access: AccessConfiguration;
  /** Not empty: nothing may be served. */
  readonly problems: readonly string[];
}

const known = new WeakMap<Env, Configured>();

/** What an environment says: read once, as it does not change while an isolate lives. */
export function configured(env: Env): Configured {
  const before = known.get(env);
  if (before !== undefined) return before;
  const variables = { ...env };
  const { configuration, problems } = parseConfiguration(variables);
  const { access, problems: accessProblems } = parseAccessConfiguration(variables);
  const now = { configuration, access, problems: [...accessProblems, ...problems] };
  known.set(env, now);
  return now;
}
