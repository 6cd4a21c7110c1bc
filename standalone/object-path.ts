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
