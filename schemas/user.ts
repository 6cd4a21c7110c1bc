/** How a user's password is known. */
type Password =
  | { readonly kind: "bcrypt"; readonly hash: string }
  | { readonly kind: "plain"; readonly text: string };

/** Someone who logs in by name and password. */
export interface User {
  readonly name: string;
  readonly password: Password;
  /** True for who may pull only, whatever the policy says. */
  readonly readonly: boolean;
}

/** True for a name that a user can have: Basic ends it at a colon, tokens tell jobs by a line break. */
export function isUserName(text: string): boolean {
  return /^[^:\s]+$/.test(text) && text !== anonymous;
}

/** Who comes without a name; nobody can be called so. */
export const anonymous = "anonymous";

/** `$2y$` is what Apache's htpasswd writes, `$2b$` and `$2a$` what others do. */
const htpasswdLinePattern = /^([^:\s]+):(\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53})$/;

/**
 * The users in the text of an htpasswd file of bcrypt hashes; empty lines and comments are left
 * out. A line that is neither is told to `refuse` by its number, never by its content.
 */
export function parseHtpasswd(text: string, refuse: (problem: string) => void): User[] {
  const users: User[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const [, name, hash] = htpasswdLinePattern.exec(trimmed) ?? [];
    if (name === undefined || hash === undefined) {
      refuse(`line ${at + 1} is not <user>:<bcrypt hash>: make it with htpasswd -B`);
    } else {
      users.push({ name, password: { kind: "bcrypt", hash }, readonly: false });
    }
  }
  return users;
}
