import { createExecutionContext, env, waitOnExecutionContext } from "cloudflare:test";
import registry from "../workers/registry.ts";

/** Sends a request to a registry that runs with these variables of the environment. */
export async function sendTo(
  variables: Record<string, string | undefined>,
  method: string,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const context = createExecutionContext();
  const request = new Request(`http://registry.test${path}`, { ...init, method });
  const response = await registry.fetch(request, { ...env, ...variables }, context);
  await waitOnExecutionContext(context);
  return response;
}
