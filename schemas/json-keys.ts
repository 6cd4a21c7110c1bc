/**
 * Keys of JSON that readers take for different values: JSON.parse keeps the last of two equal ones,
 * other parsers the first, and Go's match keys to fields without regard to case.
 */

/** The first key that one object of the text has twice, or undefined. The text is valid JSON. */
export function repeatedKey(json: string): string | undefined {
  // The keys of each object that is open. A colon outside of strings belongs to the last of them.
  const open: Set<string>[] = [];
  let string = { start: 0, end: 0 };
  for (let at = 0; at < json.length; at += 1) {
    const character = json.charAt(at);
    if (character === "{") open.push(new Set());
    else if (character === "}") open.pop();
    else if (character === '"') {
      string = { start: at, end: endOfString(json, at) };
      at = string.end - 1;
    } else if (character === ":") {
      const key = JSON.parse(json.slice(string.start, string.end)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}

/** Where the string that begins at `start` ends: behind its closing quote. */
function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json.charAt(at) !== '"') at += json.charAt(at) === "\\" ? 2 : 1;
  return at + 1;
}

/** Names of fields by what they are without case. */
export type FieldNames = ReadonlyMap<string, string>;

export function fieldNames(names: readonly string[]): FieldNames {
  return new Map(names.map((name) => [withoutCase(name), name]));
}

/** The first key that is the name of a field but for case, with that name; or undefined. */
export function misspeltKey(
  object: Readonly<Record<string, unknown>>,
  names: FieldNames,
): { readonly key: string; readonly name: string } | undefined {
  for (const key of Object.keys(object)) {
    const name = names.get(withoutCase(key));
    if (name !== undefined && name !== key) return { key, name };
  }
  return undefined;
}

/** Both ways, as Go does: the long s is a small letter of S alone, the Kelvin sign a capital of k. */
function withoutCase(text: string): string {
  return text.toUpperCase().toLowerCase();
}
