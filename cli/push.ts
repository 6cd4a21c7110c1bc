import { Command, InvalidArgumentError, Option } from "commander";
import { parseRepositoryName, type RepositoryName } from "../schemas/reference.ts";
import { parseByteSize } from "./byte-size.ts";
import { ChunkBuffers, chunkBytesDefault } from "./chunk-buffers.ts";
import { credentialsFor } from "./credentials.ts";
import { CommandError, exitCodes } from "./exit-codes.ts";
import { processOutput } from "./output.ts";
import { formatBytes, type Progress, progressTo } from "./progress.ts";
import { emptyResult, pushImage, type PushResult } from "./push/image-push.ts";
import type { ImageSource } from "./push/image-source.ts";
import { openImageSource } from "./push/open-source.ts";
import { refuseMissing } from "./push/push-plan.ts";
import { TemporaryFolder } from "./push/temporary-folder.ts";
import { UnfinishedUploads } from "./push/unfinished-uploads.ts";
import { parsePushTarget, type PushTarget, shownTarget } from "./push-target.ts";
import { RegistryClient } from "./registry-client.ts";

/** The options of the command, as commander gives them. */
interface PushOptions {
  readonly image?: string;
  readonly platform?: string;
  readonly engine?: true;
  readonly parallel: number;
  readonly chunkSize: number;
  readonly mountFrom: readonly RepositoryName[];
  readonly compress: boolean;
  readonly plainHttp?: true;
  readonly username?: string;
  readonly passwordStdin?: true;
  readonly quiet?: true;
  readonly json?: true;
}

const parallelDefault = 3;
const parallelMax = 16;

/** `longshore push IMAGE|PATH URL`. */
export function pushCommand(): Command {
  return new Command("push")
    .description(
      "Pushes an image in chunks that every edge takes, and goes on where it was stopped.",
    )
    .argument("<image|path>", "an image of the docker engine, a docker save tar, or an OCI layout")
    .argument("<url>", "registry.example.com/team/app:tag, with https:// before it or not")
    .option("--image <name>", "which image of a tar or a layout with several: its name or digest")
    .option("--platform <os/arch>", "one platform of an index, such as linux/arm64 (default: all)")
    .option("--engine", "ask the docker engine, even if a file has the image's name")
    .option("--parallel <count>", "blobs at a time", parseParallel, parallelDefault)
    .addOption(
      new Option("--chunk-size <size>", "of each request")
        .argParser(parseChunkSize)
        .default(chunkBytesDefault, "16MiB"),
    )
    .addOption(
      new Option(
        "--mount-from <repository>",
        "a repository of the registry that may have some of the blobs; may be given again",
      )
        .argParser((text, others: readonly RepositoryName[]) => [...others, parseName(text)])
        .default([], "those that the image says it came from"),
    )
    .option("--no-compress", "push the uncompressed layers of an engine or a tar as they are")
    .option("--plain-http", "http instead of https (loopback hosts have it by default)")
    .option("--username <name>", "instead of what docker login stored; or LONGSHORE_USERNAME")
    .option(
      "--password-stdin",
      "read the password from standard input; or LONGSHORE_PASSWORD",
      false,
    )
    .option("--quiet", "no progress")
    .option("--json", "the result as JSON on standard output")
    .addHelpText("after", examples)
    .exitOverride()
    .action(push);
}

const examples = `
Examples:
  longshore push app:1 registry.example.com/team/app:1
  longshore push app.tar registry.example.com/team/app:1
  longshore push ./layout registry.example.com/team/app:1 --mount-from team/base

An index is pushed with all its platforms, and with what refers to it. Ctrl-C stops; the same
command goes on from there. Exit codes: 0 done, 1 failed, 2 called wrongly, 130 stopped.`;

async function push(argument: string, url: string, options: PushOptions): Promise<void> {
  const target = parsePushTarget(url, options);
  const output = processOutput(options.json ?? false);
  const progress = progressTo(process.stderr, { isQuiet: options.quiet ?? false });
  const interruption = new AbortController();
  const interrupt = () => {
    if (interruption.signal.aborted) {
      // The cursor is hidden while there are bars.
      progress.close();
      process.exit(exitCodes.interrupted);
    }
    interruption.abort();
  };
  process.on("SIGINT", interrupt);
  const folder = new TemporaryFolder();
  const client = await clientFor(target, options);
  const result = emptyResult();
  const report = (source: ImageSource) =>
    output.result({ reference: shownTarget(target), digest: source.root, ...result });
  let source: ImageSource | undefined;
  try {
    await checkAccess(client, interruption.signal);
    source = await openImageSource(argument, {
      ...options,
      engine: options.engine ?? false,
      tag: target.reference.kind === "tag" ? target.reference.tag : undefined,
      keepsTar: !options.compress,
      folder,
      signal: interruption.signal,
      onStep: (step) => progress.line(step),
    });
    await send(source, { target, client, options, progress, result, signal: interruption.signal });
    report(source);
    output.line(summary(target, source, result));
  } catch (error) {
    if (source !== undefined) report(source);
    if (!interruption.signal.aborted) throw error;
    progress.close();
    progress.line(stopped(result, source));
    process.exitCode = exitCodes.interrupted;
  } finally {
    progress.close();
    process.off("SIGINT", interrupt);
    await client.close();
    await folder.remove();
  }
}

async function clientFor(target: PushTarget, options: PushOptions): Promise<RegistryClient> {
  const credentials = await credentialsFor(target.host, options);
  return new RegistryClient(target.origin, { credentials });
}

/** Says at once, before layers are read for minutes, that a registry is away or a password wrong. */
async function checkAccess(client: RegistryClient, signal: AbortSignal): Promise<void> {
  const answer = await client.expect({ method: "GET", path: "/v2/", signal }, [200]);
  await answer.body.dump();
}

interface Sending {
  readonly target: PushTarget;
  readonly client: RegistryClient;
  readonly options: PushOptions;
  readonly progress: Progress;
  readonly result: PushResult;
  readonly signal: AbortSignal;
}

async function send(
  source: ImageSource,
  { target, client, options, progress, result, signal }: Sending,
): Promise<void> {
  const { repository, reference } = target;
  if (reference.kind === "digest" && reference.digest !== source.root) {
    throw new CommandError(`the image is ${source.root}, not ${reference.digest}`);
  }
  for (const notice of source.notices) progress.line(notice);
  const { parallel, chunkSize } = options;
  await refuseMissing(client, repository, source, { parallel, signal });
  const registry = client.url.origin;
  const origins = source.origins.get(target.host) ?? [];
  const others = [...options.mountFrom, ...origins].filter((name) => name !== repository);
  const blobs = {
    client,
    repository,
    mountFrom: [...new Set(others)],
    unfinished: await UnfinishedUploads.open({ registry, repository }),
    // For each blob one chunk on its way, and one that is filled meanwhile.
    buffers: new ChunkBuffers(chunkSize, 2 * parallel),
    chunkBytes: chunkSize,
    signal,
    progress,
    onNote: (text: string) => void (options.quiet || progress.line(text)),
  };
  await pushImage({ ...blobs, reference }, source, parallel, result);
}

function summary(target: PushTarget, { root }: ImageSource, result: PushResult): string {
  const { pushed, mounted, skipped } = result.blobs;
  const sent = `${pushed} blobs sent (${formatBytes(result.bytes)})`;
  return `${shownTarget(target)} is ${root}: ${sent}, ${mounted} mounted, ${skipped} were there`;
}

function stopped(result: PushResult, source: ImageSource | undefined): string {
  if (source === undefined) return "stopped before anything was sent";
  const left = result.missing.length;
  const there = source.blobs.length - left;
  return (
    `stopped: ${there} of ${source.blobs.length} blobs are in the registry, ${left} are missing; ` +
    "the same command goes on from there"
  );
}

function parseParallel(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= parallelMax) return count;
  throw new InvalidArgumentError(`Give a whole number from 1 to ${parallelMax}.`);
}

const chunkBytesMin = 64 * 1024;
const chunkBytesMax = 512 * 1024 * 1024;

function parseChunkSize(text: string): number {
  const bytes = parseByteSize(text);
  if (bytes >= chunkBytesMin && bytes <= chunkBytesMax) return bytes;
  throw new InvalidArgumentError("Give a size from 64KiB to 512MiB, such as 8MiB.");
}

function parseName(text: string): RepositoryName {
  const name = parseRepositoryName(text);
  if (name !== undefined) return name;
  throw new InvalidArgumentError("Give a repository's name without the host, such as team/base.");
}
