/** helm with caches and settings of its own, and charts as large as a test needs. */
import { createReadStream } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Account } from "./account.ts";
import { type CommandOptions, type Output, run } from "./command.ts";
import type { Layer } from "./layer.ts";
import { sha256Of } from "./sha256.ts";
import { tools } from "./tools.ts";

/** helm takes no larger file into a chart than 5 MiB. */
const pieceBytes = 4 * 2 ** 20;

/** The helm command, in a folder. */
export class Helm {
  readonly #folder: string;

  /** Over a folder that is there already. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Runs helm in the folder. */
  async helm(...args: readonly string[]): Promise<Output> {
    return this.#run(args, {});
  }

  async #run(args: readonly string[], options: CommandOptions): Promise<Output> {
    const homes = ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"];
    const env = Object.fromEntries(homes.map((name) => [name, join(this.#folder, name)]));
    return run(tools.helm, args, { cwd: this.#folder, env, ...options });
  }

  /** Logs in to a registry. */
  async logIn(registry: string, { name, password }: Account): Promise<void> {
    const login = ["registry", "login", registry, "--username", name, "--password-stdin"];
    await this.#run([...login, "--plain-http"], { stdin: password });
  }

  /** Pushes a chart that holds layers, cut into pieces; the tag is the chart's version. */
  async pushLayers(image: string, layers: readonly Layer[]): Promise<void> {
    const { registry, name, version } = partsOf(image);
    const chart = join(this.#folder, name);
    await rm(chart, { recursive: true, force: true });
    for (const [index, layer] of layers.entries()) {
      await writePieces(join(chart, "layers", `${index}`), layer.file);
    }
    const text = `apiVersion: v2\nname: ${name}\nversion: ${version}\n`;
    await writeFile(join(chart, "Chart.yaml"), text);
    await this.helm("package", name);
    await this.helm("push", `${name}-${version}.tgz`, `oci://${registry}`, "--plain-http");
  }

  /** Pulls such a chart, and answers the digests of its layers. */
  async pullLayers(image: string): Promise<readonly string[]> {
    const { registry, name, version } = partsOf(image);
    const folder = join(this.#folder, "pulled");
    await rm(folder, { recursive: true, force: true });
    const chart = `oci://${registry}/${name}`;
    const unpack = ["--untar", "--untardir=pulled"];
    await this.helm("pull", chart, `--version=${version}`, "--plain-http", ...unpack);
    const layers = join(folder, name, "layers");
    const names = (await readdir(layers)).toSorted();
    return Promise.all(names.map(async (layer) => sha256Of(pieces(join(layers, layer)))));
  }
}

/** helm names a repository by the chart that it is given, and a tag by its version. */
function partsOf(image: string): { registry: string; name: string; version: string } {
  const parts = /^(?<registry>.+)\/(?<name>[^/:]+):(?<version>[^/:]+)$/u.exec(image)?.groups;
  return { registry: "", name: "", version: "", ...parts };
}

async function writePieces(folder: string, file: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  let index = 0;
  for await (const piece of createReadStream(file, { highWaterMark: pieceBytes })) {
    await writeFile(join(folder, String(index).padStart(3, "0")), piece as Uint8Array);
    index += 1;
  }
}

async function* pieces(folder: string): AsyncGenerator<Uint8Array> {
  for (const name of (await readdir(folder)).toSorted()) {
    yield* createReadStream(join(folder, name)) as AsyncIterable<Uint8Array>;
  }
}
