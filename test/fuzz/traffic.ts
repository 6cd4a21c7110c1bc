import type { Answer } from "./answer.ts";
import { Client } from "./client.ts";
import { Connection, type Outcome } from "./connection.ts";
import { mayChange, mutated } from "./mutation.ts";
import { Random } from "./random.ts";
import { bytesOf, isWellFormed, type Request } from "./request.ts";
import { violation } from "./rules.ts";
import type { Witness } from "./witness.ts";

/** Clients that send at the same time, each on a connection of its own. */
const clientsMax = 8;
/** How long a request that is not whole is left waiting before its connection is cut. */
const unfinishedMs = 20;
/** More examples of one violation say nothing new, and would hide others. */
const examplesMax = 2;
const violationsMax = 1000;

/** Where a request was sent, and what was sent before it on the same connection. */
interface Place {
  readonly at: string;
  readonly former: Request | undefined;
}

/** Requests of several clients, made of a seed, and what was wrong with their answers. */
export class Traffic {
  /** How often each rule was broken. */
  readonly violations = new Map<string, number>();
  /** The first of each, with what was sent and answered. */
  readonly examples: string[] = [];
  /** How often each status was answered, and each other outcome came. */
  readonly outcomes = new Map<string, number>();
  readonly #url: URL;
  readonly #witness: Witness;
  readonly #seed: number;

  constructor(url: string, witness: Witness, seed: number) {
    this.#url = new URL(url);
    this.#witness = witness;
    this.#seed = seed;
  }

  /** Sends so many requests, half of them mutated. */
  async send(requests: number): Promise<void> {
    const each = Math.ceil(requests / clientsMax);
    const clients = Array.from({ length: clientsMax }, (_, number) => this.#run(number, each));
    await Promise.all(clients);
  }

  async #run(number: number, requests: number): Promise<void> {
    const random = new Random(this.#seed, number);
    const client = new Client(random, this.#witness);
    let connection = await Connection.open(this.#url);
    let former: Request | undefined;
    /* oxlint-disable no-await-in-loop */
    for (let sent = 0; sent < requests && this.#violationCount < violationsMax; sent += 1) {
      const { request: right, learn } = client.step();
      const changed = random.oneIn(2) ? mutated(random, right) : right;
      const isKept = changed !== right && mayChange(this.#witness.repository, changed);
      const request = isKept ? right : changed;
      const isHalfClosed = random.oneIn(200);
      const outcome = await exchange(connection, request, isHalfClosed);
      const place = {
        at: `client ${number}, request ${sent}${isHalfClosed ? ", half closed" : ""}`,
        former,
      };
      former = request;
      // A client that says it will send no more may be taken for one that has gone.
      const isDropped = isHalfClosed && outcome?.kind === "ended";
      this.#record(place, request, isDropped ? undefined : outcome, connection.surplus);
      if (outcome?.kind === "answered" && request === right) learn?.(outcome.answer);
      if (!isReusable(request, outcome) || isHalfClosed) {
        connection.close();
        connection = await Connection.open(this.#url);
        former = undefined;
      }
    }
    /* oxlint-enable no-await-in-loop */
    connection.close();
  }

  get #violationCount(): number {
    return [...this.violations.values()].reduce((sum, number) => sum + number, 0);
  }

  #record(place: Place, request: Request, outcome: Outcome | undefined, surplus: Buffer): void {
    const kind = outcome?.kind === "answered" ? String(outcome.answer.status) : outcome?.kind;
    count(this.outcomes, kind ?? "cut");
    if (outcome === undefined) return;
    const isSurplus = outcome.kind === "answered" && isWellFormed(request) && surplus.length > 0;
    const wrong = violation(request, outcome) ?? (isSurplus ? "more than one answer" : undefined);
    if (wrong === undefined) return;
    if (count(this.violations, wrong) > examplesMax) return;
    const answer = outcome.kind === "answered" ? told(outcome.answer) : outcome.kind;
    const before = place.former === undefined ? "nothing" : escaped(bytesOf(place.former));
    const lines = [
      `${wrong} (${place.at})`,
      `on this connection before: ${before}`,
      `request: ${escaped(bytesOf(request))}`,
      `outcome: ${answer}`,
    ];
    if (surplus.length > 0) lines.push(`behind it: ${escaped(surplus)}`);
    this.examples.push(lines.join("\n  "));
  }
}

function count(counts: Map<string, number>, key: string): number {
  const number = (counts.get(key) ?? 0) + 1;
  counts.set(key, number);
  return number;
}

/** What comes of a request; undefined if it was cut off before its end. */
async function exchange(
  connection: Connection,
  request: Request,
  isHalfClosed: boolean,
): Promise<Outcome | undefined> {
  const bytes = bytesOf(request);
  const isPart = request.isBrokenOff || !request.framing.isWhole;
  connection.write(request.isBrokenOff ? bytes.subarray(0, bytes.length / 2) : bytes);
  if (isHalfClosed) connection.endSending();
  if (!isPart || isHalfClosed) return connection.outcome(request.method);
  const outcome = await connection.outcome(request.method, unfinishedMs);
  return outcome.kind === "answered" ? outcome : undefined;
}

/** What is no well-formed request may leave anything behind on its connection. */
function isReusable(request: Request, outcome: Outcome | undefined): boolean {
  if (outcome?.kind !== "answered" || request.isBrokenOff || !isWellFormed(request)) return false;
  return outcome.answer.headers.get("connection")?.toLowerCase() !== "close";
}

function told({ status, headers, body }: Answer): string {
  return `${status} ${JSON.stringify(Object.fromEntries(headers))} ${escaped(body)}`;
}

/** Bytes as text that can be read and copied. */
function escaped(bytes: Buffer): string {
  const shown = JSON.stringify(bytes.toString("latin1", 0, 2000));
  return bytes.length > 2000 ? `${shown} and ${bytes.length - 2000} bytes` : shown;
}
