/**
 * Bytes that are kept in rows of SQLite: a row has at most 2,000,000 bytes on Cloudflare, more in
 * local runs, and is rewritten whole when it changes.
 */
export interface ByteRow {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** The bytes cut into rows of `rowBytes`, from the row in which byte `from` is; none for no bytes. */
export function* cutRows(bytes: Uint8Array, rowBytes: number, from = 0): Generator<ByteRow> {
  for (let number = Math.floor(from / rowBytes); number * rowBytes < bytes.length; number += 1) {
    yield { number, bytes: bytes.slice(number * rowBytes, (number + 1) * rowBytes) };
  }
}

/** The bytes of all rows, which come in their order. */
export function joinRows(rows: readonly { readonly bytes: ArrayBuffer }[]): Uint8Array {
  const bytes = new Uint8Array(rows.reduce((sum, row) => sum + row.bytes.byteLength, 0));
  let at = 0;
  for (const row of rows) {
    bytes.set(new Uint8Array(row.bytes), at);
    at += row.bytes.byteLength;
  }
  return bytes;
}
