/** How many repositories are remembered, and how many answers of each. */
const repositoriesMax = 1000;
const answersMax = 1000;
/** Bytes of manifests that are remembered, of all repositories and of the largest answer. */
const bytesMax = 32 * 1024 * 1024;
const answerBytesMax = 256 * 1024;

/** What one repository has answered since it last changed. */
class Answers {
  readonly byQuestion = new Map<string, unknown>();
  bytes = 0;
}

/** How many changes of one object run. */
interface Running {
  count: number;
}

/**
 * What repositories have answered, by the ids of their objects. One machine has the Worker and all
 * objects in one isolate, so a change is known here before anybody is told of it: it makes what was
 * remembered of its repository forgotten, and while it runs nothing is remembered. What is answered
 * from here is thus what the object itself would answer.
 */
export class RepositoryMemory {
  /** In the order of their last use: the first is the one to go. */
  readonly #repositories = new Map<string, Answers>();
  /** Of the repositories that have changes running. */
  readonly #changing = new Map<string, Running>();
  #bytes = 0;

  /**
   * The answer to a question, remembered or asked for; `bytes` is what it takes to remember one, and
   * undefined if it is not to be remembered.
   */
  async answer<T>(
    id: string,
    question: string,
    ask: () => Promise<T>,
    bytes: (answer: T) => number | undefined,
  ): Promise<T> {
    if (this.#changing.has(id)) return ask();
    const answers = this.#answersOf(id);
    if (answers.byQuestion.has(question)) return answers.byQuestion.get(question) as T;
    const answer = await ask();
    // Whoever changed it in the meantime has had these answers forgotten: they take no room.
    if (this.#repositories.get(id) !== answers) return answer;
    const size = bytes(answer);
    if (size !== undefined && size <= answerBytesMax) this.#add(answers, question, answer, size);
    else if (answers.byQuestion.size === 0) this.#forget(id);
    return answer;
  }

  /** Runs what may change a repository: what it answers, settles or throws is passed on. */
  change<T>(id: string, work: () => T): T {
    this.#forget(id);
    const running = this.#changing.get(id) ?? { count: 0 };
    running.count += 1;
    this.#changing.set(id, running);
    let isPending = false;
    try {
      const result = work();
      if (!(result instanceof Promise)) return result;
      isPending = true;
      return result.finally(() => this.#ended(id, running)) as T;
    } finally {
      if (!isPending) this.#ended(id, running);
    }
  }

  /** To be called when an object begins: what an earlier one of its id was doing will not end. */
  began(id: string): void {
    this.#changing.delete(id);
    this.#forget(id);
  }

  #ended(id: string, running: Running): void {
    running.count -= 1;
    // Another is there if the object began anew: that one has changes of its own.
    if (running.count === 0 && this.#changing.get(id) === running) this.#changing.delete(id);
  }

  #answersOf(id: string): Answers {
    const answers = this.#repositories.get(id) ?? new Answers();
    this.#repositories.delete(id);
    this.#repositories.set(id, answers);
    this.#trim();
    return answers;
  }

  #add(answers: Answers, question: string, answer: unknown, bytes: number): void {
    if (answers.byQuestion.size >= answersMax) {
      this.#bytes -= answers.bytes;
      answers.bytes = 0;
      answers.byQuestion.clear();
    }
    answers.byQuestion.set(question, answer);
    answers.bytes += bytes;
    this.#bytes += bytes;
    this.#trim();
  }

  #trim(): void {
    for (const oldest of this.#repositories.keys()) {
      if (this.#repositories.size <= repositoriesMax && this.#bytes <= bytesMax) return;
      this.#forget(oldest);
    }
  }

  #forget(id: string): void {
    this.#bytes -= this.#repositories.get(id)?.bytes ?? 0;
    this.#repositories.delete(id);
  }
}
