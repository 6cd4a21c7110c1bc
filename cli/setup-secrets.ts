import { CommandError } from "./exit-codes.ts";
import type { SetupState, SetupStep } from "./setup-step.ts";
import { htpasswdLine, newPassword, newTokenKey } from "./token-keys.ts";
import type { WranglerConfiguration } from "./wrangler-configuration.ts";

/** Any of these says who may come in. */
const userSettings = [
  "REGISTRY_AUTH_HTPASSWD",
  "PASSWORD",
  "REGISTRY_ACCESS_CONTROL_CONFIG",
  "REGISTRY_AUTH_TOKEN_REALM",
];
const keyVariable = "REGISTRY_AUTH_TOKEN_PRIVATEKEY";
/** Any of these says who signs tokens, or that there are none. */
const keySettings = [keyVariable, "REGISTRY_AUTH_TOKEN_REALM"];
const authType = "REGISTRY_AUTH_TYPE";

/** What of users and keys a deployment does not have yet. */
export interface MissingSecrets {
  readonly isKeyMissing: boolean;
  readonly isUserMissing: boolean;
}

/** What is missing, by the names of secrets and variables. */
export async function missingSecrets({
  account,
  configuration,
}: Pick<SetupState, "account" | "configuration">): Promise<MissingSecrets> {
  const names = [...(await account.secretNames()), ...configuration.variables];
  const hasAny = (wanted: readonly string[]) => names.some((name) => wanted.includes(name));
  // Who sets it has decided about users and tokens; the registry itself says what does not fit.
  if (names.includes(authType)) return { isKeyMissing: false, isUserMissing: false };
  return { isKeyMissing: !hasAny(keySettings), isUserMissing: !hasAny(userSettings) };
}

/** The key that signs tokens, and a first user. @param username of the user that is made */
export function secretsStep(username: string): SetupStep {
  let missing: MissingSecrets | undefined;
  return {
    async plan(state) {
      missing = await missingSecrets(state);
      const { isKeyMissing, isUserMissing } = missing;
      if (isUserMissing && process.env["CI"] !== undefined && !state.isDryRun) {
        throw inJob(state.configuration);
      }
      const wanted = [
        ...(isKeyMissing ? ["a key that signs tokens"] : []),
        ...(isUserMissing ? [`the user ${username} with a new password`] : []),
      ];
      return wanted.length === 0 ? undefined : `put as secrets: ${wanted.join(", and ")}`;
    },
    async apply(state) {
      const { isKeyMissing, isUserMissing } = missing ?? (await missingSecrets(state));
      const secrets: Record<string, string> = {};
      if (isKeyMissing) secrets[keyVariable] = await newTokenKey();
      const password = newPassword();
      if (isUserMissing) {
        secrets["REGISTRY_AUTH_HTPASSWD"] = await htpasswdLine(username, password);
      }
      await state.account.putSecrets(secrets);
      if (isUserMissing) state.newUser = { kind: "password", username, password };
    },
    right: () => "the key that signs tokens and who may come in are there",
  };
}

/** The log of a job is kept, and read by many. */
function inJob({ environment }: WranglerConfiguration): CommandError {
  return new CommandError(
    "nobody can log in yet, and a first user's password would be in this job's log: run " +
      `npx longshore setup --env ${environment} once by hand, or put the secrets USERNAME and ` +
      "PASSWORD by npx wrangler secret put",
  );
}
