/** The variables of an environment, and what is wrong with those that were read. */
export class Variables {
  /** For each wrong value its variable, the value unless it is a secret, and what is allowed. */
  readonly problems: string[] = [];
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  /** A variable's text; one that is empty counts as not set. */
  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  }

  /** A text that headers may hold. */
  headerText(name: string): string | undefined {
    const text = this.text(name);
    if (text !== undefined && /\p{Cc}/u.test(text)) {
      this.problems.push(`${name} has a line break or a control character; allowed is one line`);
    }
    return text;
  }

  wholeNumber(name: string, preset: number, min: number, max: number): number {
    const text = this.text(name);
    if (text === undefined) return preset;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    this.problems.push(`${name} is "${text}"; allowed is a whole number from ${min} to ${max}`);
    return preset;
  }

  /** A whole number, where there is one. */
  optionalNumber(name: string, min: number, max: number): number | undefined {
    return this.text(name) === undefined ? undefined : this.wholeNumber(name, max, min, max);
  }

  /** An http or https URL without a path. */
  origin(name: string): string | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const origin = originOf(text.replace(/\/$/, ""));
    if (origin !== undefined) return origin;
    this.problems.push(
      `${name} is "${text}"; allowed is a URL without a path, such as https://registry.example.com`,
    );
    return undefined;
  }

  /** Origins, separated by commas, or * for any. */
  origins(name: string): "*" | readonly string[] {
    const text = this.text(name)?.trim() ?? "";
    if (text === "*") return text;
    const texts = text === "" ? [] : text.split(",").map((item) => item.trim());
    const wrong = texts.find((item) => originOf(item) === undefined);
    if (wrong === undefined) return texts;
    this.problems.push(
      `${name} has "${wrong}"; allowed is * or origins such as https://ui.example.com, separated by commas`,
    );
    return [];
  }

  oneOf<T extends string>(name: string, preset: T | undefined, allowed: readonly T[]): T {
    const text = this.text(name) ?? preset;
    const value = allowed.find((candidate) => candidate === text);
    if (value !== undefined) return value;
    const state = text === undefined ? "not set" : `"${text}"`;
    this.problems.push(`${name} is ${state}; allowed is ${allowed.join(" or ")}`);
    return allowed[0] as T;
  }
}

/** The text if it is an origin as browsers write it (RFC 6454 section 6.2). */
function originOf(text: string): string | undefined {
  const url = URL.parse(text);
  const isWeb = url?.protocol === "http:" || url?.protocol === "https:";
  return isWeb && url.origin === text ? text : undefined;
}
