import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../fuzz/random.ts";
import { WrongAnswer } from "./blob-push.ts";
import { collect } from "./collection.ts";
import { HttpClient, Unanswered } from "./http-client.ts";
import type { Load } from "./load.ts";
import { LoadClient } from "./load-client.ts";

/** The clients of a load at work on one registry, each with connections of its own. */
export class Clients {
  readonly #load: Load;
  readonly #https: HttpClient[] = [];
  readonly #runs: Promise<void>[] = [];
  #isOver = false;

  /** `stream` makes the clients' numbers other ones than those of the round before. */
  constructor(load: Load, url: string, count: number, stream: number) {
    this.#load = load;
    for (let number = 0; number < count; number += 1) {
      const random = new Random(load.terms.seed, stream * 100 + number + 1);
      const client = new LoadClient(load, this.#http(url), random, `client-${number}`);
      this.#runs.push(client.run(() => this.#isOver));
    }
  }

  /** Has somebody ask for a collection again and again. */
  collecting(url: string, intervalMs: number): void {
    this.#runs.push(this.#collect(this.#http(url), intervalMs));
  }

  /** Lets each client finish what it does, which fails at once where the registry is gone. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#runs);
    for (const http of this.#https) http.close();
  }

  #http(url: string): HttpClient {
    const http = new HttpClient(url);
    this.#https.push(http);
    return http;
  }

  async #collect(http: HttpClient, intervalMs: number): Promise<void> {
    /* oxlint-disable no-await-in-loop */
    while (!this.#isOver) {
      await sleep(intervalMs);
      try {
        const layers = await collect(http);
        if (layers === undefined) continue;
        this.#load.counts.collections += 1;
        this.#load.counts.collectedLayers += layers;
      } catch (error) {
        if (error instanceof WrongAnswer) this.#load.violation(error.message);
        else if (!(error instanceof Unanswered)) throw error;
      }
    }
    /* oxlint-enable no-await-in-loop */
  }
}
