/**
 * What a store says that has no room: SQLite (an object beyond its 10 GB; on one machine also a full
 * disk, where it can't even make the file that it reads by), and the disk of one machine. Over RPC an
 * error keeps nothing but its text.
 */
const noRoom = /SQLITE_FULL|SQLITE_IOERR|storage is full/;

/** What the runtime says where it keeps the reason to itself: that a database can't be opened. */
const unexplained = /internal error; reference/;

/** The text of one machine's errors that isStorageFull knows. */
export const storageFullText = "storage is full, or can't be written to";

let isKnownFull = false;

/** To be told by who knows how full the disk is: on one machine, where all run in one isolate. */
export function tellStorageFull(isFull: boolean): void {
  isKnownFull = isFull;
}

/** True if what was thrown means that there is no room. */
export function isStorageFull(error: unknown): boolean {
  const text = String(error);
  return noRoom.test(text) || (isKnownFull && unexplained.test(text));
}
