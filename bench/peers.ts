import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command, Peer } from "./peer.ts";
import { programs } from "./programs.ts";

/** Ours, started as `npm start` does. */
const longshore: Peer = {
  name: "Longshore",
  isOurs: true,
  command: async (folder, port) => ({
    program: process.execPath,
    args: [join(import.meta.dirname, "../standalone/start.ts")],
    environment: {
      REGISTRY_HOST: "127.0.0.1",
      REGISTRY_PORT: String(port),
      REGISTRY_STORAGE_PATH: join(folder, "storage"),
      REGISTRY_AUTH_TYPE: "none",
    },
  }),
};

/** Both Go registries take the configuration that they come with, in a folder and on a port of ours. */
async function goRegistry(program: string, folder: string, port: number): Promise<Command> {
  const configuration = join(folder, "config.yml");
  await writeFile(
    configuration,
    `version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: ${JSON.stringify(join(folder, "storage"))}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:${port}
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
`,
  );
  // Their image says the same: without it, traces are sent to a collector that is not there.
  const environment = { OTEL_TRACES_EXPORTER: "none" };
  return { program, args: ["serve", configuration], environment };
}

/** The peer that the pictures compare with. */
export const foremostPeer = "distribution 3.1.2";

const installed: readonly (Peer & { readonly program: string })[] = [
  {
    name: foremostPeer,
    program: programs.distribution,
    command: async (folder, port) => goRegistry(programs.distribution, folder, port),
  },
  {
    name: "docker-registry 2.8.2",
    isFormer: true,
    program: programs.dockerRegistry,
    command: async (folder, port) => goRegistry(programs.dockerRegistry, folder, port),
  },
];

/** Not a registry: what the load client reaches where the server does nothing. */
const clientAlone: Peer = {
  name: "client alone",
  isNothing: true,
  command: async (_folder, port) => ({
    program: programs.load,
    args: ["null", `127.0.0.1:${port}`],
  }),
};

/**
 * The peers whose names begin with one of those wanted (all if none is), and all those given by URL.
 * Throws if a name or a URL can't be understood; says on stderr what is not installed.
 */
export function choosePeers(wanted: readonly string[], urls: readonly string[]): readonly Peer[] {
  const known: readonly Peer[] = [longshore, ...installed, ...urls.map(peerByUrl), clientAlone];
  for (const name of wanted) {
    if (!known.some((peer) => isNamed(peer, name))) {
      const names = known.map((peer) => peer.name).join(", ");
      throw new Error(`there is no peer "${name}": there are ${names}`);
    }
  }
  return known
    .filter(
      (peer) =>
        wanted.length === 0 ||
        peer.address !== undefined ||
        wanted.some((name) => isNamed(peer, name)),
    )
    .filter(isInstalled);
}

function isInstalled({ name }: Peer): boolean {
  const { program } = installed.find((peer) => peer.name === name) ?? {};
  if (program === undefined || existsSync(program)) return true;
  console.error(`SKIPPED: ${name} is not at ${program}: bench/install.sh says why`);
  return false;
}

function isNamed(peer: Peer, name: string): boolean {
  return peer.name.toLowerCase().startsWith(name.toLowerCase());
}

/** `NAME=http://host:port` */
function peerByUrl(text: string): Peer {
  const [, name, address] = /^([^=]+)=http:\/\/([^/]+)\/?$/.exec(text) ?? [];
  if (name === undefined || address === undefined) {
    throw new Error(`--url is "${text}": it takes NAME=http://host:port`);
  }
  return { name, address: address.includes(":") ? address : `${address}:80` };
}
