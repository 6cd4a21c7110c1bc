import { DurableObject } from "cloudflare:workers";
export class UploadSession extends DurableObject<Env> {}
export class Repository extends DurableObject<Env> {}
export class BlobIndex extends DurableObject<Env> {}
export class Catalog extends DurableObject<Env> {}
export default { fetch: () => new Response("hello") } satisfies ExportedHandler<Env>;
