import { parsePolicy, type Policy } from "./policy.ts";
import { anonymous, isUserName, parseHtpasswd, type User } from "./user.ts";
import { Variables } from "./variables.ts";

/** How clients show who they are: not at all, by Basic alone, or by tokens (and Basic). */
type AuthType = "none" | "basic" | "token";

/** Tokens that the registry makes itself, at /token. */
export interface OwnTokens {
  readonly kind: "own";
  readonly service: string;
  /** Private keys, PKCS #8 in PEM: the first signs, all are good. */
  readonly privateKeys: readonly string[];
  readonly lifetimeSeconds: number;
}

/** Tokens of another service. */
export interface OutsideTokens {
  readonly kind: "outside";
  /** The URL at which clients ask for them. */
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** PEM, a JWK in base64, a JWKS, or the URL of one. */
  readonly publicKey: string;
}

/** Where the policy is: in the variable, or in the bucket under a key. */
export type PolicySource =
  | { readonly kind: "given"; readonly policy: Policy }
  | { readonly kind: "stored"; readonly key: string };

export interface AccessConfiguration {
  readonly type: AuthType;
  /** The realm of Basic. */
  readonly realm: string;
  readonly users: readonly User[];
  readonly tokens: OwnTokens | OutsideTokens | undefined;
  /** Undefined: every logged-in user may do everything. */
  readonly policy: PolicySource | undefined;
}

const privateKeyPattern = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/g;
const servicePreset = "longshore";

/** Who may do what, as the environment's variables say, and what is wrong with them. */
export function parseAccessConfiguration(environment: Readonly<Record<string, unknown>>): {
  readonly access: AccessConfiguration;
  readonly problems: readonly string[];
} {
  const variables = new Variables(environment);
  const users = parseUsers(variables);
  // Of users who are wrong that was said already: it would mislead to say that there are none.
  const hasUsers = users.length > 0 || variables.problems.length > 0;
  const type = parseType(variables, hasUsers);
  const policy = parsePolicySource(variables, type);
  const tokens = type === "token" ? parseTokens(variables) : undefined;
  if (type === "basic" && !hasUsers) {
    variables.problems.push(
      "REGISTRY_AUTH_TYPE is basic, and nobody can log in: set USERNAME and PASSWORD, or REGISTRY_AUTH_HTPASSWD",
    );
  }
  if (tokens?.kind === "own" && !hasUsers && policy === undefined) {
    variables.problems.push(
      "REGISTRY_AUTH_TYPE is token, and nobody can log in: set USERNAME and PASSWORD, " +
        "REGISTRY_AUTH_HTPASSWD, or REGISTRY_ACCESS_CONTROL_CONFIG with issuers",
    );
  }
  const realm = variables.headerText("REGISTRY_AUTH_REALM") ?? "Registry";
  return { access: { type, realm, users, tokens, policy }, problems: variables.problems };
}

function parseUsers(variables: Variables): User[] {
  const htpasswd = parseHtpasswd(variables.text("REGISTRY_AUTH_HTPASSWD") ?? "", (problem) => {
    variables.problems.push(`REGISTRY_AUTH_HTPASSWD: ${problem}`);
  });
  const users = [
    ...htpasswd,
    ...namedUser(variables, "USERNAME", "PASSWORD", false),
    ...namedUser(variables, "READONLY_USERNAME", "READONLY_PASSWORD", true),
  ];
  const names = users.map((user) => user.name);
  const wrong = names.find((name, at) => name === anonymous || names.indexOf(name) !== at);
  if (wrong !== undefined) {
    const reason = wrong === anonymous ? "means who is not logged in" : "is there twice";
    variables.problems.push(`the user name "${wrong}" ${reason}: choose another`);
  }
  return users;
}

/** A desktop sets USERNAME by itself: a name without a password says nothing. */
function namedUser(
  variables: Variables,
  nameVariable: string,
  passwordVariable: string,
  readonly: boolean,
): User[] {
  const name = variables.text(nameVariable);
  const text = variables.text(passwordVariable);
  if (text === undefined) return [];
  if (name !== undefined && isUserName(name)) {
    return [{ name, password: { kind: "plain", text }, readonly }];
  }
  const state =
    name === undefined
      ? "not set"
      : `"${name}", which is no name: it has a colon or a space, or is "${anonymous}"`;
  variables.problems.push(`${passwordVariable} is set, and ${nameVariable} is ${state}`);
  return [];
}

/** With users and no type, `token` is meant; without any, nobody has said who may come in. */
function parseType(variables: Variables, hasUsers: boolean): AuthType {
  const isSet = variables.text("REGISTRY_AUTH_TYPE") !== undefined;
  if (!isSet && !hasUsers) {
    variables.problems.push(
      "REGISTRY_AUTH_TYPE is not set: set USERNAME and PASSWORD (or REGISTRY_AUTH_HTPASSWD) for users who " +
        "log in, or REGISTRY_AUTH_TYPE=none to let everyone who reaches the registry push, pull and delete",
    );
    return "none";
  }
  return variables.oneOf("REGISTRY_AUTH_TYPE", "token", ["none", "basic", "token"]);
}

function parseTokens(variables: Variables): OwnTokens | OutsideTokens {
  const realm = variables.headerText("REGISTRY_AUTH_TOKEN_REALM");
  const service = variables.headerText("REGISTRY_AUTH_TOKEN_SERVICE");
  if (realm === undefined) {
    return {
      kind: "own",
      service: service ?? servicePreset,
      privateKeys: parsePrivateKeys(variables),
      lifetimeSeconds: variables.wholeNumber("REGISTRY_AUTH_TOKEN_LIFETIME", 300, 60, 86_400),
    };
  }
  if (!/^https?:$/.test(URL.parse(realm)?.protocol ?? "")) {
    variables.problems.push(
      `REGISTRY_AUTH_TOKEN_REALM is "${realm}"; allowed is the URL of a token service, or nothing for our own`,
    );
  }
  return {
    kind: "outside",
    realm,
    service: service ?? needed(variables, "REGISTRY_AUTH_TOKEN_SERVICE"),
    issuer:
      variables.text("REGISTRY_AUTH_TOKEN_ISSUER") ??
      needed(variables, "REGISTRY_AUTH_TOKEN_ISSUER"),
    publicKey:
      variables.text("REGISTRY_AUTH_TOKEN_PUBLICKEY") ??
      needed(variables, "REGISTRY_AUTH_TOKEN_PUBLICKEY"),
  };
}

function needed(variables: Variables, name: string): string {
  variables.problems.push(
    `${name} is not set, and REGISTRY_AUTH_TOKEN_REALM is: they belong together`,
  );
  return "";
}

function parsePrivateKeys(variables: Variables): readonly string[] {
  const keys = variables.text("REGISTRY_AUTH_TOKEN_PRIVATEKEY")?.match(privateKeyPattern) ?? [];
  if (keys.length === 0) {
    variables.problems.push(
      "REGISTRY_AUTH_TOKEN_PRIVATEKEY has no private key (PKCS #8 in PEM): make one with " +
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    );
  }
  return keys;
}

/** A policy that is there is meant, so it takes a word to switch it off and none to switch it on. */
function parsePolicySource(variables: Variables, type: AuthType): PolicySource | undefined {
  const text = variables.text("REGISTRY_ACCESS_CONTROL_CONFIG");
  const preset = text === undefined ? "false" : "true";
  if (variables.oneOf("REGISTRY_ACCESS_CONTROL_ENABLED", preset, ["true", "false"]) === "false") {
    return undefined;
  }
  if (type === "none") {
    variables.problems.push(
      "REGISTRY_ACCESS_CONTROL_ENABLED is true and REGISTRY_AUTH_TYPE is none: set basic or token",
    );
  }
  if (text === undefined) {
    variables.problems.push(
      "REGISTRY_ACCESS_CONTROL_ENABLED is true, and REGISTRY_ACCESS_CONTROL_CONFIG is not set",
    );
    return undefined;
  }
  if (text.startsWith("r2:")) return { kind: "stored", key: text.slice("r2:".length) };
  const policy = parsePolicy(text);
  if (!("problem" in policy)) return { kind: "given", policy };
  variables.problems.push(`REGISTRY_ACCESS_CONTROL_CONFIG: ${policy.problem}`);
  return undefined;
}
