import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "./exit-codes.ts";
import { headerOf } from "./registry-answer.ts";
import type { RegistryClient } from "./registry-client.ts";

/** 1,000 objects a page: an end for who pushes as quickly as is deleted. */
const pagesMax = 100_000;
/** How often, and for how long, a collection is asked whether it has ended: an hour. */
const askMs = 5000;
const asksMax = 720;

/** All that a registry has, as its administrators' routes tell it and delete it. */
export class RegistryData {
  readonly #client: RegistryClient;

  /** @param client of who runs the registry */
  constructor(client: RegistryClient) {
    this.#client = client;
  }

  /** How many images it has. @throws CommandError where it does not say so */
  async images(): Promise<number> {
    const answer = await this.#client.expect({ method: "GET", path: "/_stats?n=1" }, [200]);
    const { images } = (await answer.body.json()) as { images?: unknown };
    if (typeof images === "number") return images;
    throw new CommandError(`${this.#client.url.origin}/_stats names no images: is it a Longshore?`);
  }

  /**
   * Deletes what no image uses, without the waits of a collection that nobody asked for. What was
   * pushed a moment ago stays, also where `images` does not count it yet.
   */
  async collect(): Promise<void> {
    let request = { method: "POST", path: "/_gc?force=true" };
    for (let asked = 0; asked < asksMax; asked += 1) {
      const answer = await this.#client.expect(request, [200, 202]);
      const { status } = (await answer.body.json()) as { status?: string };
      if (status === "done") return;
      await sleep(askMs);
      request = { method: "GET", path: "/_gc" };
    }
    throw new CommandError(
      "the registry is still collecting: run this again when GET /_gc is done",
    );
  }

  /**
   * Deletes everything, page by page, and tells of each how many objects went.
   * @throws CommandError for who may not, and for a registry that does not come to an end
   */
  async empty(onPage: (objects: number) => void): Promise<void> {
    const path = `/_empty?confirm=${encodeURIComponent(this.#client.url.host)}`;
    for (let pages = 0; pages < pagesMax; pages += 1) {
      // Each page is what is there by then, so one that was cut off can be asked for again.
      const answer = await this.#client.expect({ method: "POST", path, repeats: "always" }, [200]);
      const body = (await answer.body.json()) as { deletedObjects?: number; more?: boolean };
      onPage(body.deletedObjects ?? 0);
      if (body.more !== true) return;
      await sleep(1000 * Number(headerOf(answer, "retry-after") ?? 0));
    }
    throw new CommandError(
      "the registry is still not empty: somebody pushes to it, so run this again later",
    );
  }
}
