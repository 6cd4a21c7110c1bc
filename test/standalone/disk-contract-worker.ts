/** Answers the contract's questions from disk, with the bindings that standalone/worker.ts gets. */
import { DurableObject } from "cloudflare:workers";
import { DiskBucket } from "../../standalone/disk-bucket.ts";
import { DiskKV } from "../../standalone/disk-kv.ts";
import { FreeSpace } from "../../standalone/free-space.ts";
import { keepCachesInMemory } from "../../standalone/memory-cache.ts";
import { OpenUploads } from "../../standalone/multipart-upload.ts";
import { ObjectCache } from "../../standalone/object-store.ts";
import { answer } from "./contract.ts";

export class UploadSession extends DurableObject {}
export class Repository extends DurableObject {}
export class BlobIndex extends DurableObject {}
export class Catalog extends DurableObject {}
export class Maintenance extends DurableObject {}

interface DiskEnv {
  readonly BLOBS: Fetcher;
  readonly MANIFESTS: Fetcher;
}

keepCachesInMemory();

const memory = { objects: new ObjectCache(), uploads: new OpenUploads(), space: new FreeSpace() };

export default {
  fetch: (request, env) =>
    answer(request, {
      bucket: new DiskBucket(env.BLOBS, memory),
      kv: new DiskKV(env.MANIFESTS),
    }),
} satisfies ExportedHandler<DiskEnv>;
