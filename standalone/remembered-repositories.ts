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
  const stub = () => namespace.get(id);
  const remembered = {
    manifest: async (reference: Reference, withBytes: boolean, replicaMissing = false) =>
      // That KV has no replica is told to the object each time.
      replicaMissing
        ? stub().manifest(reference, withBytes, replicaMissing)
        : memory.answer(
            String(id),
            `manifest ${nameOf(reference)} ${withBytes}`,
            async () => plain(await stub().manifest(reference, withBytes)),
            bytesOfManifest,
          ),
    blob: async (digest: Digest, use: BlobUse) =>
      // Every other use renews a lease, or counts.
      use === "read"
        ? memory.answer(
            String(id),
            `blob ${digest}`,
            async () => plain(await stub().blob(digest, use)),
            bytesOfLink,
          )
        : stub().blob(digest, use),
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
