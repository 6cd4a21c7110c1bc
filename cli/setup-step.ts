import type { CloudflareAccount } from "./cloudflare-account.ts";
import type { Credentials } from "./credentials.ts";
import type { WranglerConfiguration } from "./wrangler-configuration.ts";

/** What the steps of one setup work upon, and hand on to the next. */
export interface SetupState {
  readonly configuration: WranglerConfiguration;
  readonly account: CloudflareAccount;
  /** True where nothing is to be changed. */
  readonly isDryRun: boolean;
  /** True once a step has changed something, or would have. */
  hasChanged: boolean;
  /** The registry's address, as far as it is known. */
  url: string | undefined;
  /** True where the address is what a deployment is told it is, not what it tells. */
  readonly isUrlGiven: boolean;
  /** The user that was made, with the password that is shown once. */
  newUser: Extract<Credentials, { kind: "password" }> | undefined;
}

/** A step of a setup. */
export interface SetupStep {
  /** What is to be done, for people; undefined: nothing, as all is right. @throws CommandError */
  plan(state: SetupState): Promise<string | undefined>;
  /** Does what was planned. @throws CommandError */
  apply(state: SetupState): Promise<void>;
  /** What is said of it when nothing is to be done. */
  right(state: SetupState): string;
}
