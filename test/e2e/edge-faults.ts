/** What goes wrong at an edge: which requests are dropped, and at which byte a connection ends. */
import { Random } from "../fuzz/random.ts";

/** How often things go wrong; what is left out never does. */
export interface FaultRates {
  /** The same seed and the same requests have the same faults. */
  readonly seed?: number;
  /** One of so many requests in a row is not answered. */
  readonly dropOneIn?: number;
  /** So many bytes of bodies, both ways together, pass between two cuts on the average. */
  readonly bytesPerCut?: number;
}

/** What becomes of a request: the registry never sees one that is lost, and does what it asks else. */
export type Fate = "passed" | "request lost" | "answer lost";

/** The faults of one edge, in the order of its requests and bytes. */
export class EdgeFaults {
  readonly #rates: FaultRates;
  readonly #random: Random;
  #requests = 0;
  #dropAt = 0;
  #bytesToCut: number;

  constructor(rates: FaultRates) {
    this.#rates = rates;
    this.#random = new Random(rates.seed ?? 1, 0);
    this.#bytesToCut = this.#nextCut();
  }

  /** The fate of the next request. */
  next(): Fate {
    const { dropOneIn } = this.#rates;
    if (dropOneIn === undefined) return "passed";
    // Somewhere in each row of that many: so that a short test has one, too.
    const place = this.#requests % dropOneIn;
    if (place === 0) this.#dropAt = this.#random.below(dropOneIn);
    this.#requests += 1;
    if (place !== this.#dropAt) return "passed";
    return this.#random.pick(["request lost", "answer lost"]);
  }

  /** How many of the next bytes pass before their connection is cut; nothing where all do. */
  cutWithin(bytes: number): number | undefined {
    if (bytes < this.#bytesToCut) {
      this.#bytesToCut -= bytes;
      return undefined;
    }
    const passing = this.#bytesToCut;
    this.#bytesToCut = this.#nextCut();
    return passing;
  }

  #nextCut(): number {
    const { bytesPerCut } = this.#rates;
    return bytesPerCut === undefined ? Infinity : this.#random.below(2 * bytesPerCut);
  }
}
