import { isStorageFull } from "../stores/storage-full.ts";

/**
 * Asks an object for something that changes nothing, and once more if it was lost meanwhile: the
 * runtime makes an object anew whose write failed for want of room, and fails what it was asked since.
 * `ask` takes a new stub each time, as an object that is lost breaks those that it had.
 */
export async function readTwice<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const isLost = error instanceof Error && Reflect.get(error, "durableObjectReset") === true;
    if (!isLost && !isStorageFull(error)) throw error;
    return ask();
  }
}
