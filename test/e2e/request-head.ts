/** Requests told apart by their heads, for what a relay does to them. */

/** How large a body of known length has to be to count as a large one. */
const largeBytes = 1_000_000;

/** The value of a header, or nothing. */
export function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`^${name}: *(.*?)\r?$`, "imu").exec(head)?.[1];
}

/** The body of a layer on its way up: a large one, or one of unknown length. */
export function isLargeUpload(head: string): boolean {
  const length = headerOf(head, "content-length");
  const isUpload = /^(?:PATCH|PUT) \S+\/blobs\/uploads\//u.test(head);
  return isUpload && (length === undefined || Number(length) >= largeBytes);
}

/** A request for the bytes of a blob. */
export function isBlobDownload(head: string): boolean {
  return /^GET \S+\/blobs\/sha256:/u.test(head);
}
