/** The system's word for what went wrong, such as ENOENT; undefined if the error has none. */
export function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
