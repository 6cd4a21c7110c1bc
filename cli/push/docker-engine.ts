/** Images of the docker engine, by its API. */
import { createWriteStream, existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Agent, request } from "undici";
import { CommandError } from "../exit-codes.ts";
import { temporaryError } from "./temporary-error.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where an engine listens. */
type EngineAddress =
  | { readonly kind: "socket"; readonly path: string }
  | { readonly kind: "http"; readonly origin: string };

/**
 * Where the engine is: DOCKER_HOST, else the socket of the system's engine, of Docker Desktop, or
 * of one without root.
 * @throws CommandError for a DOCKER_HOST that is reached by ssh or TLS
 */
function engineAddress(environment: Environment = process.env): EngineAddress {
  const host = environment["DOCKER_HOST"];
  if (host === undefined || host === "") {
    const run = environment["XDG_RUNTIME_DIR"];
    const home = environment["HOME"] ?? homedir();
    const standard = "/var/run/docker.sock";
    const others = [join(home, ".docker/run/docker.sock"), run && join(run, "docker.sock")];
    const found = [standard, ...others].find((path) => path && existsSync(path));
    return { kind: "socket", path: found || standard };
  }
  const [, scheme, rest = ""] = /^(unix|tcp|http):\/\/(.+)$/.exec(host) ?? [];
  if (scheme === "unix") return { kind: "socket", path: rest };
  if (scheme !== undefined && !environment["DOCKER_TLS_VERIFY"]) {
    return { kind: "http", origin: `http://${rest}` };
  }
  throw new CommandError(
    `the engine at ${host} is not reached from here: docker save IMAGE -o image.tar, then push image.tar`,
  );
}

/**
 * Has the engine save an image into a file, as `docker save` does. It is written down because an
 * engine tells manifests behind what they list, and layers are sent side by side and again.
 * @param platform "linux/arm64": that one alone; needs Docker 28
 * @throws CommandError if the engine can't be reached, or has no such image
 */
export async function saveImage(
  image: string,
  file: string,
  { platform, signal }: { readonly platform?: string | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const address = engineAddress();
  const origin = address.kind === "http" ? address.origin : "http://docker";
  const query = platform === undefined ? "" : `?platform=${encodeURIComponent(asJson(platform))}`;
  // It looks through the whole image before it answers, and disks may be slow.
  const timeouts = { headersTimeout: 0, bodyTimeout: 0 };
  const socket = address.kind === "socket" ? { connect: { socketPath: address.path } } : {};
  const dispatcher = new Agent({ ...timeouts, ...socket });
  try {
    const url = `${origin}/images/${encodeURI(image)}/get${query}`;
    const { statusCode, body } = await reached(request(url, { dispatcher, signal }), address);
    if (statusCode !== 200) {
      throw new CommandError(engineError(image, statusCode, await body.text()));
    }
    await pipeline(body as Readable, createWriteStream(file, { mode: 0o600 }), { signal }).catch(
      (error: unknown) => {
        throw signal.aborted ? error : notSaved(image, error);
      },
    );
  } finally {
    await dispatcher.destroy();
  }
}

async function reached<T>(answer: Promise<T>, address: EngineAddress): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException;
    if (name === "AbortError") throw error;
    const where = address.kind === "socket" ? address.path : address.origin;
    const advice =
      code === "EACCES"
        ? "be in the group docker, or use sudo"
        : "start it, set DOCKER_HOST, or give the path of a docker save tar or an OCI layout";
    throw new CommandError(
      `no docker engine answers at ${where} (${code ?? (error as Error).message}): ${advice}`,
    );
  }
}

function notSaved(image: string, error: unknown): CommandError {
  const why = (temporaryError(error) as Error).message;
  return new CommandError(`${image} was not saved whole: ${why}`, { cause: error });
}

function engineError(image: string, status: number, body: string): string {
  let told = body;
  try {
    told = String((JSON.parse(body) as { message?: unknown }).message);
  } catch {
    // What is no JSON is told as it came.
  }
  const what = `the engine can't save ${image} (${status}): ${told.trim().slice(0, 500)}`;
  return /no such image/i.test(told)
    ? `${what}; docker images lists what it has, and no file or folder has this name either`
    : what;
}

function asJson(platform: string): string {
  const [os, architecture, variant] = platform.split("/");
  return JSON.stringify({ os, architecture, variant });
}
