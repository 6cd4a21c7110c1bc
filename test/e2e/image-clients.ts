/** Every client behind one shape, for tests that ask the same of each of them. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Account, basicHeader } from "./account.ts";
import type { Closable } from "./cleanup.ts";
import { run } from "./command.ts";
import { Containerd, type ContainerdVersion } from "./containerd.ts";
import { Dockerd, type ImageStore } from "./dockerd.ts";
import { Helm } from "./helm.ts";
import { writeDockerArchive } from "./image.ts";
import type { Layer } from "./layer.ts";
import { OciLayout } from "./oci-layout.ts";
import { OrasPython } from "./oras-python.ts";
import { Podman } from "./podman.ts";
import { readSavedImage } from "./saved-image.ts";
import { tools } from "./tools.ts";

/** A client that pushes layers as an image, and pulls them back. */
export interface ImageClient extends Closable {
  /** Has it be somebody at a registry; not every client asks there whether the password is right. */
  logIn(registry: string, account: Account): Promise<unknown>;
  /** Has it be nobody again. */
  logOut(registry: string): Promise<unknown>;
  push(image: string, layers: readonly Layer[]): Promise<unknown>;
  /** Pulls an image, of which it must have nothing, and answers its uncompressed layers. */
  pull(image: string): Promise<readonly string[]>;
}

/** A command has nothing to end: its folder is the test's. */
const close = async (): Promise<void> => {};

function docker(store: ImageStore) {
  return async (folder: string): Promise<ImageClient> => {
    const engine = await Dockerd.start(store);
    return {
      logIn: async (registry, account) => engine.logIn(registry, account),
      logOut: async (registry) => engine.docker("logout", registry),
      async push(image, layers) {
        await engine.docker("load", "--input", await writeDockerArchive(folder, image, layers));
        await engine.docker("push", image);
      },
      async pull(image) {
        await engine.docker("pull", image);
        return (await engine.save(image)).diffIds;
      },
      close: async () => engine.close(),
    };
  };
}

function containerd(version: ContainerdVersion) {
  return async (folder: string): Promise<ImageClient> => {
    const daemon = await Containerd.start(version);
    // ctr is told with each command who it is.
    let flags: readonly string[] = [];
    return {
      async logIn(_, { name, password }) {
        flags = ["--user", `${name}:${password}`];
      },
      async logOut() {
        flags = [];
      },
      async push(image, layers) {
        await daemon.push(image, await writeDockerArchive(folder, image, layers), ...flags);
      },
      async pull(image) {
        await daemon.pull(image, ...flags);
        const archive = join(folder, "exported.tar");
        await daemon.export(archive, image);
        return (await readSavedImage(archive)).diffIds;
      },
      close: async () => daemon.close(),
    };
  };
}

/** All that it knows of a registry is in a file, as a node's administrator writes it. */
async function containerdByHosts(folder: string): Promise<ImageClient> {
  const daemon = await Containerd.start("2.4");
  const hosts = ["--hosts-dir", join(folder, "certs.d")];
  const writeHost = async (registry: string, account?: Account): Promise<void> => {
    const host = join(folder, "certs.d", registry);
    await mkdir(host, { recursive: true });
    await writeFile(join(host, "hosts.toml"), hostsToml(registry, account));
  };
  return {
    logIn: writeHost,
    logOut: writeHost,
    async push(image, layers) {
      await daemon.push(image, await writeDockerArchive(folder, image, layers), ...hosts);
    },
    async pull(image) {
      await daemon.pull(image, ...hosts);
      const archive = join(folder, "exported.tar");
      await daemon.export(archive, image);
      return (await readSavedImage(archive)).diffIds;
    },
    close: async () => daemon.close(),
  };
}

function hostsToml(registry: string, account: Account | undefined): string {
  const host = `[host."http://${registry}"]\ncapabilities = ["pull", "resolve", "push"]\n`;
  if (account === undefined) return host;
  const header = `[host."http://${registry}".header]\n`;
  return `${host}${header}Authorization = ["${basicHeader(account)}"]\n`;
}

async function podman(folder: string): Promise<ImageClient> {
  const client = new Podman(folder);
  const tls = "--tls-verify=false";
  return {
    logIn: async (registry, { name, password }) =>
      client.podman("login", tls, "-u", name, "-p", password, registry),
    logOut: async (registry) => client.podman("logout", registry),
    async push(image, layers) {
      const archive = await writeDockerArchive(folder, image, layers);
      await client.podman("load", "--input", archive);
      await client.podman("push", tls, image);
    },
    async pull(image) {
      await client.podman("pull", tls, image);
      return (await client.save(image)).diffIds;
    },
    close,
  };
}

/** What a command is run with to do a thing. */
interface CommandLines {
  readonly program: string;
  /** The variable that says where the command keeps who is logged in, and the file's name there. */
  readonly accounts: readonly [variable: string, path: string];
  readonly logIn: (registry: string, account: Account) => readonly string[];
  readonly logOut: (registry: string) => readonly string[];
  readonly push: (layout: string, image: string) => readonly string[];
  readonly pull: (image: string, archive: string) => readonly string[];
}

/** A command that pushes a folder of the OCI image layout and pulls into an archive of docker's. */
function command(lines: CommandLines) {
  return async (folder: string): Promise<ImageClient> => {
    const [variable, path] = lines.accounts;
    const env = { [variable]: join(folder, path) };
    const start = async (args: readonly string[]) => run(lines.program, args, { env });
    return {
      logIn: async (registry, account) => start(lines.logIn(registry, account)),
      logOut: async (registry) => start(lines.logOut(registry)),
      async push(image, layers) {
        const layout = new OciLayout(join(folder, "layout"));
        await rm(layout.folder, { recursive: true, force: true });
        await layout.tag("v1", await layout.addImage("amd64", layers));
        await start(lines.push(layout.folder, image));
      },
      async pull(image) {
        const archive = join(folder, "pulled.tar");
        await start(lines.pull(image, archive));
        return (await readSavedImage(archive)).diffIds;
      },
      close,
    };
  };
}

const skopeo = command({
  program: tools.skopeo,
  accounts: ["REGISTRY_AUTH_FILE", "auth.json"],
  logIn: (registry, { name, password }) => [
    "login",
    "--tls-verify=false",
    "-u",
    name,
    "-p",
    password,
    registry,
  ],
  logOut: (registry) => ["logout", registry],
  push: (layout, image) => [
    "copy",
    "--dest-tls-verify=false",
    `oci:${layout}:v1`,
    `docker://${image}`,
  ],
  pull: (image, archive) => [
    "copy",
    "--src-tls-verify=false",
    `docker://${image}`,
    `docker-archive:${archive}`,
  ],
});

const crane = command({
  program: tools.crane,
  accounts: ["DOCKER_CONFIG", ""],
  logIn: (registry, { name, password }) => ["auth", "login", registry, "-u", name, "-p", password],
  logOut: (registry) => ["auth", "logout", registry],
  push: (layout, image) => ["push", "--insecure", layout, image],
  pull: (image, archive) => ["pull", "--insecure", image, archive],
});

/** A host as regctl is told of it, that it speaks plain HTTP. */
function regctlHost(registry: string): string {
  return `--host=reg=${registry},tls=disabled`;
}

/** The registry of an image's name. */
function registryOf(image: string): string {
  return image.split("/")[0] ?? "";
}

const regctl = command({
  program: tools.regctl,
  accounts: ["REGCTL_CONFIG", "regctl.json"],
  logIn: (registry, { name, password }) => [
    regctlHost(registry),
    "registry",
    "login",
    registry,
    "-u",
    name,
    "-p",
    password,
  ],
  logOut: (registry) => ["registry", "logout", registry],
  push: (layout, image) => [
    regctlHost(registryOf(image)),
    "image",
    "copy",
    `ocidir://${layout}:v1`,
    image,
  ],
  pull: (image, archive) => [regctlHost(registryOf(image)), "image", "export", image, archive],
});

/** Layers in a chart, or as the files of an artifact: no images, and pushed by other libraries. */
async function helm(folder: string): Promise<ImageClient> {
  const client = new Helm(folder);
  return {
    logIn: async (registry, account) => client.logIn(registry, account),
    logOut: async (registry) => client.helm("registry", "logout", registry),
    push: async (image, layers) => client.pushLayers(image, layers),
    pull: async (image) => client.pullLayers(image),
    close,
  };
}

async function orasPython(folder: string): Promise<ImageClient> {
  const client = new OrasPython(folder);
  return {
    logIn: async (registry, account) => client.logIn(registry, account),
    logOut: async () => client.logOut(),
    push: async (image, layers) => client.push(image, layers),
    pull: async (image) => client.pull(image),
    close,
  };
}

/** Starts each client, by what a test's title calls it, with an empty folder that the test removes. */
export const imageClients = {
  "docker 20.10": docker("graph driver"),
  "docker 29": docker("containerd"),
  "containerd 1.6": containerd("1.6"),
  "containerd 2.4": containerd("2.4"),
  "containerd 2.4 by hosts.toml": containerdByHosts,
  podman,
  skopeo,
  crane,
  regctl,
  helm,
  "ORAS for Python": orasPython,
} satisfies Record<string, (folder: string) => Promise<ImageClient>>;

/** The name of a client. */
export type ImageClientName = keyof typeof imageClients;
