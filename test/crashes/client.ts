import { send } from "../client.ts";
import { advance, secondMs } from "../durable-objects/clock.ts";

/** What a client does that gets no answer, or one of the server's own fault. */
export const persistences = ["retries", "gives up"] as const;
export type Persistence = (typeof persistences)[number];

/** A client that gave up. */
class GaveUp extends Error {}

/** A client that has to begin again, as what it began is not there any more. */
class BeginsAgain extends Error {}

/** How often one request is sent, and how often all that belong together. */
const triesMax = 3;

/** One request, which can be sent again. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly init?: () => RequestInit;
  /** The answers that a client is content with. */
  readonly wanted: readonly number[];
  /** Answers upon which it begins again with the first request. */
  readonly beginsAgain?: readonly number[];
  /** False if a client does not send it twice, but begins again. */
  readonly isRepeated?: boolean;
}

/** A client as docker, containerd and the like are: it sends again what a 5xx was the answer to. */
export class Client {
  readonly #persistence: Persistence;
  /** The statuses that it was answered. */
  readonly statuses: number[] = [];

  constructor(persistence: Persistence) {
    this.#persistence = persistence;
  }

  /** Sends a request until it is answered. @throws GaveUp, BeginsAgain; Error if it is refused */
  async ask({ method, path, init, wanted, ...rest }: Asked): Promise<Response> {
    for (let tries = 1; ; tries++) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await send(method, path, init?.());
      const { status } = response;
      this.statuses.push(status);
      if (wanted.includes(status)) return response;
      // oxlint-disable-next-line no-await-in-loop
      const text = await response.text();
      if (status < 500 && rest.beginsAgain?.includes(status) !== true) {
        throw new Error(`${method} ${path} was refused: ${status} ${text}`);
      }
      if (this.#persistence === "gives up") throw new GaveUp();
      advance(secondMs);
      if (status < 500 || rest.isRepeated === false) throw new BeginsAgain(`${status} ${text}`);
      if (tries === triesMax) throw new Error(`${method} ${path} fails: ${status} ${text}`);
    }
  }

  /** Does all that belongs together; false if it gave up. */
  async perform(work: (client: Client) => Promise<void>): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      try {
        // oxlint-disable-next-line no-await-in-loop
        await work(this);
        return true;
      } catch (error) {
        if (error instanceof GaveUp) return false;
        if (!(error instanceof BeginsAgain) || tries === triesMax) throw error;
      }
    }
  }
}
