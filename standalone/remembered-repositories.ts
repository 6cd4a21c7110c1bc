import { nameOf } from "../durable-objects/push-terms.ts";
import type {
  BlobUse,
  FoundManifest,
  ReadableLink,
  Repository,
} from "../durable-objects/repository.ts";
import type { Digest } from "../schemas/digest.ts";
import { done, type Outcome } from "../schemas/outcome.ts";
import type { Reference } from "../schemas/reference.ts";
import type { RepositoryMemory } from "./repository-memory.ts";

/** What changes nothing that is remembered: all else that a Repository is asked counts as a change. */
const reads: ReadonlySet<string> = new Set<keyof Repository>([
  "manifest",
  "blob",
  "tags",
  "referrers",
  "held",
]);

/** What an answer takes beside a manifest's bytes, and for each link; more than it does. */
const answerBytes = 500;
const linkBytes = 300;

/** A stub, as far as its answers are remembered. */
interface RepositoryReads {
  manifest(
    reference: Reference,
    withBytes: boolean,
    replicaMissing?: boolean,
  ): Promise<Outcome<FoundManifest>>;
  blob(digest: Digest, use: BlobUse): Promise<Outcome<ReadableLink>>;
}

/** The namespace, with stubs that ask an object for a manifest or a link to read by only once. */
export function rememberedRepositories(
  namespace: Env["REPOSITORY"],
  memory: RepositoryMemory,
): Env["REPOSITORY"] {
  return new Proxy(namespace, {
    get(target, property) {
      if (property !== "getByName") return Reflect.get(target, property, target);
      return (name: string) => rememberedStub(target, name, memory);
    },
  });
}

function rememberedStub(
  namespace: Env["REPOSITORY"],
  name: string,
  memory: RepositoryMemory,
): object {
  const id = namespace.idFromName(name);
  const stub = (): object => namespace.get(id);
  const asked = (): RepositoryReads => stub() as RepositoryReads;
  const remembered: RepositoryReads = {
    manifest: async (reference, withBytes, replicaMissing = false) =>
      // That KV has no replica is told to the object each time.
      replicaMissing
        ? asked().manifest(reference, withBytes, replicaMissing)
        : memory.answer(
            String(id),
            `manifest ${nameOf(reference)} ${withBytes}`,
            async () => plain(await asked().manifest(reference, withBytes)),
            bytesOfManifest,
          ),
    blob: async (digest, use) =>
      // Every other use renews a lease, or counts.
      use === "read"
        ? memory.answer(
            String(id),
            `blob ${digest}`,
            async () => plain(await asked().blob(digest, use)),
            bytesOfLink,
          )
        : asked().blob(digest, use),
  };
  return new Proxy(remembered, {
    get: (_, method) =>
      Reflect.get(Object.hasOwn(remembered, method) ? remembered : stub(), method) as unknown,
  });
}

/** Without what the runtime has added to the answer of a call, which ends with its request. */
function plain<T>(outcome: Outcome<T>): Outcome<T> {
  return outcome.ok ? done(outcome.value) : outcome;
}

/** Refusals are not remembered: what is not there is asked for anew. */
function bytesOfManifest(outcome: Outcome<FoundManifest>): number | undefined {
  if (!outcome.ok) return undefined;
  const { bytes, links } = outcome.value;
  return answerBytes + (bytes?.byteLength ?? 0) + links.length * linkBytes;
}

function bytesOfLink(outcome: Outcome<ReadableLink>): number | undefined {
  return outcome.ok ? answerBytes : undefined;
}

/** Has every call of a class of Repository that may change one, and its alarm, told to the memory. */
export function tellChanges(
  repository: { readonly prototype: Repository },
  memory: RepositoryMemory,
): void {
  const methods = Object.getOwnPropertyDescriptors(
    Object.getPrototypeOf(repository.prototype) as object,
  );
  for (const [name, { value: method }] of Object.entries(methods)) {
    if (name === "constructor" || reads.has(name) || typeof method !== "function") continue;
    Object.defineProperty(repository.prototype, name, {
      value(this: { readonly ctx: DurableObjectState }, ...args: unknown[]): unknown {
        return memory.change(String(this.ctx.id), () => Reflect.apply(method, this, args));
      },
    });
  }
}
