import type { Claims, TrustedIssuer } from "../../schemas/policy.ts";
import type { Scope } from "../../schemas/scope.ts";

/** Who is asking. */
export type Identity =
  | { readonly kind: "anonymous" }
  /** Someone the policy may name. */
  | { readonly kind: "user"; readonly name: string; readonly readonly: boolean }
  /** A job whose issuer the policy trusts, by the claims of the issuer's token. */
  | { readonly kind: "job"; readonly trusted: TrustedIssuer; readonly claims: Claims }
  /** The bearer of a token that says all: the policy names nobody like this. */
  | { readonly kind: "bearer" };

/** Who is asking, and what the token that it came with is for. */
export interface Caller {
  readonly identity: Identity;
  /** What upload sessions are sealed with: the same for one caller, however it logs in. */
  readonly subject: string;
  /** Undefined for who came with a password: then the policy alone decides. */
  readonly grants: readonly Scope[] | undefined;
}

export const nobody: Caller = { identity: { kind: "anonymous" }, subject: "", grants: undefined };
