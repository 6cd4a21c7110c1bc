/** Stores things in all the ways that one machine has, for a test that kills it in between. */
import { DurableObject } from "cloudflare:workers";
import { DiskBucket } from "../../standalone/disk-bucket.ts";
import { DiskKV } from "../../standalone/disk-kv.ts";
import { FreeSpace } from "../../standalone/free-space.ts";
import { OpenUploads } from "../../standalone/multipart-upload.ts";
import { ObjectCache } from "../../standalone/object-store.ts";

interface DiskEnv {
  readonly BLOBS: Fetcher;
  readonly MANIFESTS: Fetcher;
  readonly REPOSITORY: DurableObjectNamespace<Repository>;
}

export class UploadSession extends DurableObject {}
export class BlobIndex extends DurableObject {}
export class Catalog extends DurableObject {}
export class Maintenance extends DurableObject {}

/** Remembers a word, and what its alarm was told. */
export class Repository extends DurableObject<DiskEnv> {
  remember(word: string, alarmMs: number): Promise<void> {
    this.ctx.storage.sql.exec("CREATE TABLE words (word TEXT) STRICT");
    this.ctx.storage.sql.exec("INSERT INTO words VALUES (?)", word);
    return this.ctx.storage.setAlarm(alarmMs);
  }

  recall(): { words: string[]; alarmOf: string | null } {
    const words = this.ctx.storage.sql.exec<{ word: string }>("SELECT word FROM words").toArray();
    return {
      words: words.map(({ word }) => word),
      alarmOf: this.ctx.storage.kv.get<string>("alarm-of") ?? null,
    };
  }

  forget(): Promise<void> {
    return this.ctx.storage.deleteAll();
  }

  override alarm(): void {
    this.ctx.storage.kv.put("alarm-of", this.ctx.id.name);
  }
}

const memory = { objects: new ObjectCache(), uploads: new OpenUploads(), space: new FreeSpace() };

const partBytes = 5 * 1024 * 1024;

async function store(bucket: R2Bucket, env: DiskEnv, alarmMs: number): Promise<unknown> {
  await bucket.put("blobs/object", "object", { customMetadata: { repository: "a" } });
  await bucket.put("blobs/deleted", "deleted");
  await bucket.delete("blobs/deleted");
  await new DiskKV(env.MANIFESTS).put("a@b", "manifest", { metadata: { mediaType: "x" } });
  await env.REPOSITORY.getByName("team/app").remember("word", alarmMs);
  const upload = await bucket.createMultipartUpload("blobs/parts", { customMetadata: { a: "1" } });
  const replaced = await upload.uploadPart(1, new Uint8Array(partBytes));
  const part = await upload.uploadPart(1, new Uint8Array(partBytes).fill(1));
  return { uploadId: upload.uploadId, replaced, part };
}

async function look(bucket: R2Bucket, env: DiskEnv): Promise<unknown> {
  const object = await bucket.get("blobs/object");
  return {
    object: [await object?.text(), object?.customMetadata],
    deleted: await bucket.head("blobs/deleted"),
    entry: await new DiskKV(env.MANIFESTS).getWithMetadata("a@b"),
    words: (await env.REPOSITORY.getByName("team/app").recall()).words,
  };
}

/** Goes on with an upload that another process began. */
async function finish(bucket: R2Bucket, request: Request): Promise<unknown> {
  const { uploadId, replaced, part } = await request.json<{
    uploadId: string;
    replaced: R2UploadedPart;
    part: R2UploadedPart;
  }>();
  const upload = bucket.resumeMultipartUpload("blobs/parts", uploadId);
  const last = await upload.uploadPart(2, "end");
  const refused = await upload.complete([replaced, last]).catch((error: unknown) => String(error));
  const { size, customMetadata } = await upload.complete([part, last]);
  const stored = await bucket.get("blobs/parts", { range: { offset: partBytes - 1 } });
  return { refused, size, customMetadata, bytes: [...((await stored?.bytes()) ?? [])] };
}

export default {
  async fetch(request, env) {
    const bucket = new DiskBucket(env.BLOBS, memory);
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/store":
        return Response.json(await store(bucket, env, Number(searchParams.get("alarm"))));
      case "/look":
        return Response.json(await look(bucket, env));
      case "/finish":
        return Response.json(await finish(bucket, request));
      case "/forget":
        await env.REPOSITORY.getByName("team/gone").remember("gone", Date.now() + 60_000);
        await env.REPOSITORY.getByName("team/gone").forget();
        return Response.json(null);
      case "/alarm":
        return Response.json((await env.REPOSITORY.getByName("team/app").recall()).alarmOf);
      default:
        return new Response(null, { status: 404 });
    }
  },
} satisfies ExportedHandler<DiskEnv>;
