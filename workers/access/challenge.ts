import type { AccessConfiguration } from "../../schemas/access-configuration.ts";
import { RegistryError } from "../../schemas/errors.ts";
import { catalogScope, formatScope, type Scope } from "../../schemas/scope.ts";
import { originOf } from "../client-origin.ts";
import type { RegistryContext } from "../context.ts";
import { type Action, administrationScope } from "./decision.ts";

/** Why a request is not answered yet (RFC 6750 section 3.1). */
export type ChallengeError = "invalid_token" | "insufficient_scope";

/**
 * 401 with the one challenge that clients expect: docker takes one scheme, and containerd forgets a
 * token only if an `error` says that it is not good.
 */
export function unauthorized(
  context: RegistryContext,
  access: AccessConfiguration,
  action: Action,
  error: ChallengeError | undefined,
): RegistryError {
  const scope = scopeOf(action);
  const challenge =
    access.tokens === undefined
      ? basicChallenge(access)
      : bearerChallenge(context, access.tokens, scope, error);
  const what = scope === undefined ? undefined : `for ${formatScope(scope)}`;
  return new RegistryError("UNAUTHORIZED", what, { "WWW-Authenticate": challenge });
}

export function basicChallenge({ realm }: AccessConfiguration): string {
  return `Basic realm=${quoted(realm)}`;
}

function bearerChallenge(
  context: RegistryContext,
  tokens: NonNullable<AccessConfiguration["tokens"]>,
  scope: Scope | undefined,
  error: ChallengeError | undefined,
): string {
  const realm = tokens.kind === "own" ? `${originOf(context)}/token` : tokens.realm;
  const parameters = Object.entries({
    realm,
    service: tokens.service,
    scope: scope && formatScope(scope),
    error,
  }).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${quoted(value)}`]));
  return `Bearer ${parameters.join(",")}`;
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

/** The scope of a token that an action needs. */
function scopeOf(action: Action): Scope | undefined {
  if (action.kind === "repository") {
    const actions = { head: ["pull"], pull: ["pull"], push: ["pull", "push"], delete: ["delete"] };
    return { type: "repository", name: action.repository, actions: actions[action.use] };
  }
  if (action.kind === "catalog") return catalogScope;
  return action.kind === "administer" ? administrationScope : undefined;
}
