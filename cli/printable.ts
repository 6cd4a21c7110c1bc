/**
 * A text as a terminal may have it: a registry's message, or a name in an image, must not move the
 * cursor, change colours or write the title of the window. Lines stay lines.
 */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\x${code.toString(16).padStart(2, "0")}`;
  });
}
