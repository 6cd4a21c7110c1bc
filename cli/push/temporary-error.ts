import { CommandError } from "../exit-codes.ts";

/**
 * What a user can mend of what was thrown while temporary files were written: a full disk, or a
 * folder that is not there. Everything else is answered as it is.
 */
export function temporaryError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CommandError) return error;
  const { syscall, message } = error as NodeJS.ErrnoException;
  if (syscall === undefined || syscall === "read") return error;
  return new CommandError(`${message}: set TMPDIR to a folder with room`, { cause: error });
}
