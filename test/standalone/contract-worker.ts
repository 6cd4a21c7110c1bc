/** Answers the contract's questions from Cloudflare's own simulators. */
import { answer } from "./contract.ts";

export default {
  fetch: (request, env) => answer(request, { bucket: env.BLOBS, kv: env.MANIFESTS }),
} satisfies ExportedHandler<Env>;
