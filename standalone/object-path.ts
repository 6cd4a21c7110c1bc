/**
 * A file name has at most 255 bytes, and what is stored adds up to 60 of its own (a random id,
 * ".object", and workerd's ".<name>.<pid>.<count>.tmp").
 */
const nameBytesMax = 180;

const plainByte = /[a-z0-9_-]/;

/**
 * The path of a key of a bucket: its segments as folders, so that a prefix up to a slash is a folder.
 * Every byte but `a-z 0-9 _ -` becomes `=` and two hex digits, so that no two keys meet, not even
 * where the file system ignores case, and no name holds a dot: what has one is ours. An empty
 * segment is `=`. A name that would be too long goes on in a folder: `<first 180>~/<rest>`.
 */
export function objectPath(key: string): string {
  return key.split("/").map(segmentPath).join("/");
}

function segmentPath(segment: string): string {
  if (segment === "") return "=";
  let name = "";
  for (const byte of new TextEncoder().encode(segment)) {
    const character = String.fromCharCode(byte);
    name += plainByte.test(character) ? character : `=${byte.toString(16).padStart(2, "0")}`;
  }
  const names: string[] = [];
  for (let at = 0; at < name.length; at += nameBytesMax) {
    names.push(name.slice(at, at + nameBytesMax));
  }
  return names.join("~/");
}

/** The folder that holds the objects of all keys that begin with `prefix`, which ends in a slash. */
export function folderPath(prefix: string): string {
  return objectPath(prefix.slice(0, -1));
}

/**
 * The bytes of a segment, a character each (so that the order of such strings is that of the bytes),
 * of the name that it has on disk, all of it.
 */
export function segmentBytes(name: string): string {
  if (name === "=") return "";
  return name.replaceAll(/=([0-9a-f]{2})/g, (_escape, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** The bytes of a text, a character each. */
export function textBytes(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** The text of bytes that are a character each. */
export function bytesText(bytes: string): string {
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
}
