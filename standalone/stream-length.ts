/**
 * workerd knows how many bytes a native stream will still give (it has to, for Content-Length), but
 * shows it to JavaScript only where `console.log` prints a stream: in a property of the prototype
 * whose symbol is described as "length". test/standalone asserts that it is there in our workerd.
 */
const lengthSymbol = Object.getOwnPropertySymbols(ReadableStream.prototype).find(
  (symbol) => symbol.description === "length",
);

/**
 * The number of bytes a stream will give: known for a body with Content-Length, the readable half of
 * a FixedLengthStream and what is read from disk; undefined for a chunked body and for streams made
 * in JavaScript.
 */
export function streamLength(stream: ReadableStream): number | undefined {
  if (lengthSymbol === undefined) throw new Error("this workerd does not tell a stream's length");
  const length: unknown = Reflect.get(stream, lengthSymbol);
  return typeof length === "bigint" ? Number(length) : undefined;
}
