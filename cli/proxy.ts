import { once } from "node:events";
import { Command, InvalidArgumentError } from "commander";
import { parseByteSize } from "./byte-size.ts";
import { ChunkBuffers, chunkBytesDefault } from "./chunk-buffers.ts";
import {
  type Credentials,
  type CredentialSource,
  optionCredentials,
  storedCredentials,
} from "./credentials.ts";
import { isLoopback } from "./loopback.ts";
import { progressTo } from "./progress.ts";
import { KnownSessions } from "./proxy/known-sessions.ts";
import { ProxyHandler } from "./proxy/proxy-handler.ts";
import { ProxyServer } from "./proxy/proxy-server.ts";
import { UploadRelay } from "./proxy/upload-relay.ts";
import { RegistryClient } from "./registry-client.ts";

interface ProxyOptions {
  readonly host: string;
  readonly port: number;
  readonly chunkSize: number;
  readonly username?: string;
  readonly passwordStdin?: boolean;
  readonly uploadsOnly?: boolean;
  readonly quiet?: boolean;
}

const chunkBytesMin = 64 * 1024;
const chunkBytesMax = 1024 ** 3;

const examples = `
Examples:
  longshore proxy https://registry.example.com
  docker push 127.0.0.1:5050/team/app:1

  # as the host that REGISTRY_UPLOAD_URL names, behind what ends TLS
  longshore proxy https://registry.example.com --host 0.0.0.0 --uploads-only

A client that logs in (docker login 127.0.0.1:5050) is passed on as it is. For one that does not,
the proxy uses what docker login has stored for the registry, or for the proxy, or --username. On
another --host than loopback it uses --username alone: whoever reaches it may do what that user may.
Five chunks are kept in memory at most.`;

/** `longshore proxy URL`: a registry here that cuts what is pushed to it into chunks. */
export function proxyCommand(): Command {
  return new Command("proxy")
    .description(
      "Passes a registry on at this machine, and cuts the layers pushed to it into chunks.",
    )
    .argument("<url>", "the registry, such as https://registry.example.com")
    .option("--port <number>", "where to listen; 0: any that is free", parsePort, 5050)
    .option("--host <address>", "where to listen; others than loopback let others in", "127.0.0.1")
    .option(
      "--chunk-size <bytes>",
      "the size of chunks, such as 16MiB",
      parseChunkSize,
      chunkBytesDefault,
    )
    .option("--username <name>", "a user of the registry, with --password-stdin")
    .option("--password-stdin", "read that user's password from standard input")
    .option("--uploads-only", "pass on requests of upload sessions alone")
    .option("--quiet", "no progress")
    .addHelpText("after", examples)
    .action(runProxy);
}

async function runProxy(url: string, options: ProxyOptions): Promise<void> {
  const { host, port, chunkSize, uploadsOnly = false, quiet = false } = options;
  const given = await optionCredentials(options);
  // From here on, as whoever reads that it listens may stop it at once.
  const interrupt = interrupted();
  const isLocal = isLoopback(host);
  const progress = progressTo(process.stderr, { isQuiet: quiet });
  let own: CredentialSource = async () => given;
  const client = new RegistryClient(url, { credentials: async () => own() });
  const buffers = new ChunkBuffers(chunkSize);
  const sessions = new KnownSessions();
  const uploads = new UploadRelay({ client, buffers, chunkBytes: chunkSize, sessions, progress });
  const server = await ProxyServer.start(
    (address) => {
      if (isLocal) own = credentialsOn(given, client.url.host, address);
      return new ProxyHandler({ client, uploads, progress, isLocal, isUploadsOnly: uploadsOnly });
    },
    { host, port },
  );
  if (!isLocal) progress.line(warningFor(host, given));
  progress.line(`longshore proxy listens on http://${server.address} for ${client.url.origin}`);
  await interrupt;
  progress.close();
  await Promise.all([server.close(), client.close()]);
}

/** On loopback: what was given, else what is stored for the registry, else for the proxy itself. */
function credentialsOn(
  given: Credentials | undefined,
  registry: string,
  address: string,
): CredentialSource {
  const port = address.slice(address.lastIndexOf(":"));
  return async () => given ?? storedCredentials([registry, address, `localhost${port}`]);
}

function warningFor(host: string, given: Credentials | undefined): string {
  const who = `whoever reaches ${host} reaches the registry through it`;
  if (given?.kind !== "password") return `warning: ${who}, without this machine's credentials`;
  return `warning: ${who}, as ${given.username} where they do not log in themselves`;
}

/** Waits for Ctrl-C, or for who stops services. */
async function interrupted(): Promise<void> {
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("give a port, 0 to 65535.");
}

function parseChunkSize(text: string): number {
  const bytes = parseByteSize(text);
  if (bytes >= chunkBytesMin && bytes <= chunkBytesMax) return bytes;
  throw new InvalidArgumentError("give 64KiB to 1GiB.");
}
