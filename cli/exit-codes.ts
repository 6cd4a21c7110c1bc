/**
 * What the command's exit says: 0 all is done; 1 something failed, or is missing; 2 it was called
 * wrongly (the convention of shells and of commander); 130 by Ctrl-C.
 */
export const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** What a user can mend: shown as it is, without a stack, and the command exits with 1. */
export class CommandError extends Error {}
