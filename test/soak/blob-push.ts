import type { Random } from "../fuzz/random.ts";
import type { Blob } from "./content.ts";
import { type Answer, type HttpClient, type Sent, Unanswered } from "./http-client.ts";
import { blobKey } from "./journal.ts";
import type { InterruptedUpload, Load } from "./load.ts";

/** How clients push a blob. */
const ways = ["whole", "post", "stream", "chunks", "mount"] as const;

/** Bodies from here on are sent in pieces with pauses, now and then, and cut off. */
const slowBytes = 64 * 1024;

/** An answer that no operation may have. */
export class WrongAnswer extends Error {}

/** Pushes blobs to one registry, in every way that clients have, and writes down what it does. */
export class BlobPusher {
  readonly #load: Load;
  readonly #http: HttpClient;
  readonly #random: Random;

  constructor(load: Load, http: HttpClient, random: Random) {
    this.#load = load;
    this.#http = http;
    this.#random = random;
  }

  /** Asks for it first, as most clients do, and pushes it if it is not there. */
  async ensure(repository: string, blob: Blob): Promise<void> {
    if (!this.#random.oneIn(4)) {
      const head = await this.#http.send("HEAD", `/v2/${repository}/blobs/${blob.digest}`);
      if (head.status === 200) return;
      expectStatus(head, "HEAD of a blob", 404);
    }
    await this.push(repository, blob);
  }

  async push(repository: string, blob: Blob): Promise<void> {
    const way = this.#random.pick(ways);
    if (way === "post") return this.#post(repository, blob);
    if (way === "mount") return this.#mount(repository, blob);
    const location = await this.#start(repository);
    if (way === "whole") return this.#put(repository, blob, location, this.#sent(blob.bytes()));
    try {
      await this.#append(repository, location, blob, way);
    } catch (error) {
      if (error instanceof Unanswered) this.#load.interrupted.push({ repository, location, blob });
      throw error;
    }
  }

  /** Goes on with an upload that was cut off, or begins anew where it is gone. */
  async resume(interrupted: InterruptedUpload): Promise<void> {
    const { repository, location, blob } = interrupted;
    const status = await this.#http.send("GET", location);
    expectStatus(status, "GET of an upload", 204, 404);
    if (status.status === 404) return this.ensure(repository, blob);
    const [, last] = /^0-(-?\d+)$/.exec(String(status.headers.range)) ?? [];
    const offset = Number(last) + 1;
    if (!(offset <= blob.size)) throw new WrongAnswer(`an upload has ${status.headers.range}`);
    const rest = blob.bytes().subarray(offset);
    let next = location;
    if (rest.length > 0) {
      const headers = { ...octets, "Content-Range": `${offset}-${blob.size - 1}` };
      const answer = await this.#http.send("PATCH", location, headers, { bytes: rest });
      expectStatus(answer, "PATCH of an upload that was cut off", 202, 416);
      // The body that was cut off is still being given up.
      if (answer.status === 416) return void this.#load.interrupted.push(interrupted);
      next = locationOf(answer);
    }
    await this.#put(repository, blob, next, undefined, true);
  }

  async #start(repository: string): Promise<string> {
    const answer = await this.#http.send("POST", `/v2/${repository}/blobs/uploads/`);
    expectStatus(answer, "POST of an upload", 202);
    return locationOf(answer);
  }

  async #post(repository: string, blob: Blob): Promise<void> {
    const path = `/v2/${repository}/blobs/uploads/?digest=${blob.digest}`;
    await this.#settling(repository, blob, false, async () => {
      const answer = await this.#http.send("POST", path, octets, this.#sent(blob.bytes()));
      expectStatus(answer, "POST of a blob", 201);
      return true;
    });
  }

  async #mount(repository: string, blob: Blob): Promise<void> {
    const { repositories } = this.#load;
    const from =
      repositories.find((name) => this.#load.blob(name, blob.digest).has("there")) ??
      repositories[0];
    const path = `/v2/${repository}/blobs/uploads/?mount=${blob.digest}`;
    let location = "";
    await this.#settling(repository, blob, false, async () => {
      const source = this.#random.oneIn(3) ? "" : `&from=${encodeURIComponent(from)}`;
      const answer = await this.#http.send("POST", path + source);
      expectStatus(answer, "a mount", 201, 202);
      if (answer.status === 202) location = locationOf(answer);
      return answer.status === 201;
    });
    if (location !== "") await this.#put(repository, blob, location, this.#sent(blob.bytes()));
  }

  /** Sends the bytes by PATCH, at once or in chunks, and closes the upload. */
  async #append(
    repository: string,
    location: string,
    blob: Blob,
    way: "stream" | "chunks",
  ): Promise<void> {
    const bytes = blob.bytes();
    let at = 0;
    let next = location;
    if (way === "stream") {
      next = await this.#patch(next, { ...this.#sent(bytes), chunked: true }, {});
      at = bytes.length;
    }
    const chunks = 1 + this.#random.below(3);
    const chunkBytes = Math.ceil(bytes.length / (chunks + this.#random.below(2)));
    for (let chunk = 0; chunk < chunks && at < bytes.length; chunk += 1) {
      const end = Math.min(bytes.length, at + chunkBytes);
      const sent = this.#sent(bytes.subarray(at, end));
      // oxlint-disable-next-line no-await-in-loop
      next = await this.#patch(next, sent, { "Content-Range": `${at}-${end - 1}` });
      at = end;
    }
    const range = { "Content-Range": `${at}-${bytes.length - 1}` };
    const last = at < bytes.length ? { bytes: bytes.subarray(at) } : undefined;
    await this.#put(repository, blob, next, last, true, last === undefined ? {} : range);
  }

  async #patch(location: string, sent: Sent, range: Record<string, string>): Promise<string> {
    const answer = await this.#http.send("PATCH", location, { ...octets, ...range }, sent);
    expectStatus(answer, "PATCH of an upload", 202);
    return locationOf(answer);
  }

  async #put(
    repository: string,
    blob: Blob,
    location: string,
    sent: Sent | undefined,
    ofSession = false,
    range: Record<string, string> = {},
  ): Promise<void> {
    const path = `${location}?digest=${blob.digest}`;
    await this.#settling(repository, blob, ofSession, async () => {
      const answer = await this.#http.send("PUT", path, { ...octets, ...range }, sent);
      expectStatus(answer, "PUT of a blob", 201);
      return true;
    });
  }

  /** Writes down a request that has the blob be there if `request` answers true. */
  async #settling(
    repository: string,
    { digest }: Blob,
    lingers: boolean,
    request: () => Promise<boolean>,
  ): Promise<void> {
    const { journal } = this.#load;
    const key = blobKey(repository, digest);
    const pending = journal.begin(key, { kind: "put", state: "there" }, lingers);
    try {
      if (await request()) pending.done();
      else pending.refused();
    } catch (error) {
      pending.unanswered();
      throw error;
    }
  }

  #sent(bytes: Buffer): Sent {
    if (bytes.length < slowBytes || this.#random.oneIn(2)) return { bytes };
    const slow = { bytes, pieces: 2 + this.#random.below(6), pauseMs: 1 + this.#random.below(20) };
    if (!this.#random.oneIn(15)) return slow;
    return { ...slow, cutAfter: this.#random.below(bytes.length) };
  }
}

const octets = { "Content-Type": "application/octet-stream" };

function locationOf({ headers }: Answer): string {
  if (headers.location === undefined) throw new WrongAnswer("an upload without a Location");
  return headers.location;
}

/** A registry that is too busy. */
export class Busy extends Error {}

/** @throws WrongAnswer, Busy */
export function expectStatus(
  { status, headers, body }: Answer,
  what: string,
  ...allowed: readonly number[]
): void {
  if (allowed.includes(status)) return;
  const told = `${what} is answered ${status}: ${body.toString("utf8", 0, 500)}`;
  if (status === 504 && headers["retry-after"] !== undefined) throw new Busy(told);
  throw new WrongAnswer(told);
}
