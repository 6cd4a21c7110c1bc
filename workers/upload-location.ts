import type { RepositoryName } from "../schemas/reference.ts";
import type { RegistryContext } from "./context.ts";

/**
 * Where a session goes on: on the host of REGISTRY_UPLOAD_URL, or else a path, which the client takes
 * for one of the host that it asked.
 */
export function uploadLocation(
  { var: { configuration } }: RegistryContext,
  repository: RepositoryName,
  sealed: string,
): string {
  return `${configuration.uploadUrl ?? ""}/v2/${repository}/blobs/uploads/${sealed}`;
}

/** The headers of an answer about a session that goes on. */
export function sessionHeaders(
  context: RegistryContext,
  repository: RepositoryName,
  sealed: string,
): Record<string, string> {
  return {
    Location: uploadLocation(context, repository, sealed),
    "Docker-Upload-UUID": sealed,
    "Content-Length": "0",
  };
}
