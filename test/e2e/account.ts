/** Who logs in to a registry, and the file that tells a registry who may. */
import { writeFile } from "node:fs/promises";
import { run } from "./command.ts";
import { tools } from "./tools.ts";

/** A name and a password; a token may stand in the password's place. */
export interface Account {
  readonly name: string;
  readonly password: string;
}

/** The header that says who asks, as curl and a static header of hosts.toml have it. */
export function basicHeader({ name, password }: Account): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
}

/** Writes an htpasswd file by Apache's command. */
export async function writeHtpasswd(file: string, accounts: readonly Account[]): Promise<void> {
  await writeFile(file, "");
  for (const { name, password } of accounts) {
    await run(tools.htpasswd, ["-B", "-i", file, name], { stdin: password });
  }
}
