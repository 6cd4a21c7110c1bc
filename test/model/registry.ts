import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { Buffer } from "node:buffer";
import type { Maintenance } from "../../workers/registry.ts";
import { digestOf, send, stream } from "../client.ts";
import { advance } from "../durable-objects/clock.ts";
import {
  type Alphabet,
  type BlobName,
  type ItemName,
  type ManifestName,
  newAlphabet,
} from "./alphabet.ts";
import { objects } from "./interruption.ts";
import { shownReport } from "./upkeep-steps.ts";
import {
  type Operation,
  repositoryCount,
  type Request,
  type Alarms,
  type RestartedObject,
  type Upload,
} from "./command.ts";

interface Session {
  readonly location: string;
  readonly blob: BlobName;
  /** Bytes that were acknowledged. */
  sent: number;
}

/** The repositories of one run in the registry, and how to give it commands. */
export class Registry {
  readonly alphabet: Alphabet = newAlphabet();
  /** The same for each run, which ends with them empty: as if they had never been. */
  readonly repositories = Array.from({ length: repositoryCount }, (_, at) => `team/r${at}`);
  readonly #sessions = new Map<number, Session>();
  /** The Locations of all sessions that were begun: what has to be gone in the end. */
  readonly locations: string[] = [];

  /** What an operation answers: a status, and the code, names or bytes that count. */
  async answer(operation: Operation): Promise<string> {
    if (operation.do === "collect" && operation.how === "rehearsed") {
      return this.#rehearsed(operation.force);
    }
    return (await this.prepare(operation)) ?? this.perform(operation);
  }

  /**
   * What has to be before operations that run at the same time, as it moves the clock: a collection
   * begins, alarms become due. Answers what an operation is refused with.
   */
  async prepare(operation: Operation): Promise<string | undefined> {
    if (operation.do === "alarms") this.wait(61);
    if (operation.do !== "collect") return undefined;
    return this.#beginCollection(operation.force, operation.how === "dry run");
  }

  /** An operation that was prepared. */
  async perform(operation: Operation): Promise<string> {
    switch (operation.do) {
      case "start":
      case "append":
      case "close":
      case "cancel":
        return this.#upload(operation);
      case "collect":
        return (await this.#endCollection()).answer;
      case "alarms":
        await this.runAlarms(operation.of);
        return "done";
      case "push":
      case "mount":
      case "head":
      case "get":
      case "put":
      case "read":
      case "untag":
      case "delete manifest":
      case "delete blob":
      case "tags":
      case "referrers":
        break;
    }
    return this.#request(operation);
  }

  /** As `perform`, beside which an object is restarted; 503 where that broke it off. */
  async performOnce(operation: Operation): Promise<string> {
    if (operation.do !== "alarms" && operation.do !== "collect") return this.perform(operation);
    try {
      if (operation.do === "alarms") return await this.perform(operation);
      await runAlarm(maintenance);
      return (await this.#collected())?.answer ?? "503";
    } catch {
      return "503";
    }
  }

  wait(seconds: number): void {
    advance(1000 * seconds);
  }

  /** Has an object lose its memory, if it has any. */
  async restart(object: RestartedObject, how: "evicted" | "aborted"): Promise<void> {
    const stub = this.#object(object);
    if (stub === undefined) return;
    try {
      if (how === "evicted") await evictDurableObject(stub);
      else await runInDurableObject(stub, (_, state) => state.abort("aborted by a test"));
    } catch {
      // It does not run, or breaks the call that aborts it.
    }
  }

  #object(object: RestartedObject): DurableObjectStub | undefined {
    if (object === "catalog") return objects.CATALOG("catalog");
    if (object === "maintenance") return maintenance();
    const [kind, number] = object.split(" ");
    if (kind === "upload") {
      const session = this.#sessions.get(Number(number));
      return session && sessionObject(session.location);
    }
    return kind === "index"
      ? objects.BLOB_INDEX(this.alphabet.indexes[Number(number)] ?? "")
      : objects.REPOSITORY(this.#name(Number(number)));
  }

  #name(number: number): string {
    return this.repositories[number] ?? "";
  }

  #item(name: ItemName) {
    return this.alphabet.items[name];
  }

  async #request(request: Request): Promise<string> {
    const base = `/v2/${this.#name(request.repository)}`;
    switch (request.do) {
      case "push":
        return this.#push(base, request.blob, request.how);
      case "head":
        return told(await send("HEAD", `${base}/blobs/${this.#item(request.blob).digest}`));
      case "get":
        return this.#read(`${base}/blobs/${this.#item(request.blob).digest}`);
      case "mount": {
        const { digest } = this.#item(request.blob);
        const from = request.from === undefined ? "" : `&from=${this.#name(request.from)}`;
        return told(await send("POST", `${base}/blobs/uploads/?mount=${digest}${from}`));
      }
      case "put": {
        const { bytes, digest, mediaType } = this.#item(request.manifest);
        const path = `${base}/manifests/${request.tag ?? digest}`;
        const headers = { "Content-Type": mediaType };
        return told(await send("PUT", path, { body: bytes, headers }));
      }
      case "read":
        return this.#read(`${base}/manifests/${this.#reference(request.reference)}`);
      case "untag":
        return told(await send("DELETE", `${base}/manifests/${request.tag}`));
      case "delete manifest":
        return told(
          await send("DELETE", `${base}/manifests/${this.#item(request.manifest).digest}`),
        );
      case "delete blob":
        return told(await send("DELETE", `${base}/blobs/${this.#item(request.blob).digest}`));
      case "tags": {
        const response = await send("GET", `${base}/tags/list`);
        if (!response.ok) return told(response);
        const { tags } = await response.json<{ tags: string[] }>();
        return `${response.status} ${tags.join(" ")}`;
      }
      case "referrers":
        break;
    }
    const path = `${base}/referrers/${this.#item(request.manifest).digest}`;
    const response = await send("GET", path);
    if (!response.ok) return told(response);
    const { manifests } = await response.json<{ manifests: { digest: string }[] }>();
    const names = manifests.map(({ digest }) => this.nameOf(digest)).toSorted();
    return `${response.status} ${names.join(" ")}`;
  }

  /** The item that a digest is of; that `m0` is a blob too makes no difference here. */
  nameOf(digest: string): string {
    const found = Object.entries(this.alphabet.items).find(([, item]) => item.digest === digest);
    return found?.[0] ?? digest;
  }

  #reference(name: string): string {
    return name.startsWith("t") ? name : this.#item(name as ManifestName).digest;
  }

  async #read(path: string): Promise<string> {
    const response = await send("GET", path);
    if (!response.ok) return told(response);
    return `${response.status} ${this.nameOf(digestOf(await response.bytes()))}`;
  }

  async #push(base: string, blob: BlobName, how: "POST" | "PUT" | "stream" | "chunks") {
    const { bytes, digest } = this.#item(blob);
    const path = `${base}/blobs/uploads/`;
    if (how === "POST")
      return told(await send("POST", `${path}?digest=${digest}`, { body: bytes }));
    const started = await send("POST", path);
    const location = started.headers.get("Location");
    if (location === null) return told(started);
    if (how === "PUT") {
      return told(await send("PUT", `${location}?digest=${digest}`, { body: bytes }));
    }
    this.locations.push(location);
    const half = how === "stream" ? bytes.length : Math.floor(bytes.length / 2);
    const patched = await (how === "stream"
      ? send("PATCH", location, { body: stream(bytes) })
      : send("PATCH", location, chunk(bytes, 0, half)));
    const next = patched.headers.get("Location");
    if (next === null) return told(patched);
    const rest = half < bytes.length ? chunk(bytes, half, bytes.length) : {};
    return told(await send("PUT", `${next}?digest=${digest}`, rest));
  }

  async #upload(step: Upload): Promise<string> {
    const { slot, blob } = step;
    const session = step.do === "start" ? undefined : this.#sessions.get(slot);
    if (session === undefined) {
      const repository = this.#name(step.repository);
      const response = await send("POST", `/v2/${repository}/blobs/uploads/`);
      const location = response.headers.get("Location");
      if (location === null) return told(response);
      this.#sessions.set(slot, { location, blob, sent: 0 });
      this.locations.push(location);
      return step.do === "start" ? told(response) : this.#upload(step);
    }
    const { location, sent } = session;
    const { bytes, digest } = this.#item(session.blob);
    if (step.do === "cancel") return told(await send("DELETE", location));
    if (step.do === "append") {
      // A PATCH of nothing, once all bytes were sent.
      const end = Math.min(sent + Math.ceil(bytes.length / 2), bytes.length);
      const part = bytes.slice(sent, end);
      const isChunk = slot % 2 === 1 && part.length > 0;
      const body = isChunk ? chunk(bytes, sent, end) : { body: stream(part) };
      const response = await send("PATCH", location, body);
      if (response.ok) session.sent = end;
      return told(response);
    }
    const rest = sent < bytes.length ? chunk(bytes, sent, bytes.length) : {};
    return told(await send("PUT", `${location}?digest=${digest}`, rest));
  }

  /** Where a session stands, after an answer that says nothing about it. */
  async resume(slot: number): Promise<void> {
    const session = this.#sessions.get(slot);
    if (session === undefined) return;
    const response = await send("GET", session.location);
    const range = response.headers.get("Range");
    if (range !== null) session.sent = Number(range.slice(range.indexOf("-") + 1)) + 1;
  }

  /** As POST /_gc does, which then waits for the alarm: here, alarms run when they are told to. */
  async #beginCollection(force: boolean, dryRun: boolean): Promise<string | undefined> {
    const begun = await maintenance().beginCollection({ force, dryRun });
    if (!begun.ok) return `409 ${begun.code}`;
    if (force) this.wait(2);
    return undefined;
  }

  /** Runs the alarm of the collection that was begun, again if it is cut off, and what it then tells. */
  async #endCollection(): Promise<Collected> {
    for (let attempt = 0; attempt < 5; attempt++) {
      /* oxlint-disable no-await-in-loop */
      await runAlarm(maintenance);
      const ended = await this.#collected();
      /* oxlint-enable no-await-in-loop */
      if (ended !== undefined) return ended;
      this.wait(61);
    }
    throw new Error("the collection does not end");
  }

  /** What the collection tells that was begun last; undefined until it has ended. */
  async #collected(): Promise<Collected | undefined> {
    const response = await send("GET", "/_gc");
    const body = await response.json<CollectionBody>();
    if (body.status !== "done") return undefined;
    const layers = this.repositories.map((name) => {
      const found = body.repositories.find((repository) => repository.name === name);
      return (found?.layers ?? []).map(({ digest }) => this.nameOf(digest));
    });
    const counts = [body.deletedLayers, body.reclaimedBytes, body.deletedManifests];
    return { answer: `${response.status} ${shownReport(layers)}`, counts };
  }

  /** A dry run, and then the collection that it foretells. */
  async #rehearsed(force: boolean): Promise<string> {
    await this.#beginCollection(force, true);
    const foretold = await this.#endCollection();
    await this.#beginCollection(force, false);
    const done = await this.#endCollection();
    const isAsTold = JSON.stringify(foretold) === JSON.stringify(done);
    if (isAsTold) return done.answer;
    return `${done.answer} (${done.counts.join()}), told as ${foretold.answer} (${foretold.counts.join()})`;
  }

  /** Runs the alarms that are set, each for what is due by now. */
  async runAlarms(of: Alarms["of"]): Promise<void> {
    const all: (() => DurableObjectStub)[] = {
      repositories: () => this.repositories.map((name) => () => objects.REPOSITORY(name)),
      indexes: () => this.alphabet.indexes.map((name) => () => objects.BLOB_INDEX(name)),
      uploads: () => this.locations.map((location) => () => sessionObject(location)),
      catalog: () => [() => objects.CATALOG("catalog")],
      maintenance: () => [maintenance],
    }[of]();
    for (const object of all) {
      // One after the other: a cut then is at the same call each time.
      // oxlint-disable-next-line no-await-in-loop
      await runAlarm(object);
    }
  }
}

/** Runs the alarm that is set. If the object is lost meanwhile it stays set, as it does in production. */
async function runAlarm(object: () => DurableObjectStub): Promise<void> {
  const setMs = await runInDurableObject(object(), (_, { storage }) => storage.getAlarm());
  try {
    await runDurableObjectAlarm(object());
  } catch (error) {
    // A stub stays broken with the object that it was of.
    if (setMs !== null) await setAlarm(object(), setMs);
    throw error;
  }
}

/** Sets an alarm again, unless there is one. */
async function setAlarm(stub: DurableObjectStub, timeMs: number): Promise<void> {
  await runInDurableObject(stub, async (_, { storage }) => {
    if ((await storage.getAlarm()) === null) await storage.setAlarm(timeMs);
  });
}

interface Collected {
  readonly answer: string;
  readonly counts: readonly number[];
}

/** What GET /_gc tells of the last collection. */
interface CollectionBody {
  readonly status: string;
  readonly deletedLayers: number;
  readonly reclaimedBytes: number;
  readonly deletedManifests: number;
  readonly repositories: readonly {
    readonly name: string;
    readonly layers: readonly { readonly digest: string }[];
  }[];
}

function maintenance(): DurableObjectStub<Maintenance> {
  return objects.MAINTENANCE("maintenance") as DurableObjectStub<Maintenance>;
}

/** The object of an upload session, whose name is in the first bytes of what is sealed. */
function sessionObject(location: string): DurableObjectStub {
  const sealed = Buffer.from(location.split("/").at(-1) ?? "", "base64url");
  return objects.UPLOAD_SESSION(sealed.toString("base64url", 0, 16));
}

function chunk(bytes: Uint8Array<ArrayBuffer>, from: number, to: number): RequestInit {
  return {
    body: bytes.slice(from, to),
    headers: { "Content-Range": `${from}-${to - 1}` },
  };
}

/** The status of an answer, and the code that an error has. */
async function told(response: Response): Promise<string> {
  const text = await response.text();
  if (response.ok || text === "") return String(response.status);
  const { errors } = JSON.parse(text) as { errors: { code: string }[] };
  return `${response.status} ${errors[0]?.code}`;
}
