import { env } from "cloudflare:workers";
import { expect } from "vitest";
import { newBlobKey } from "../../schemas/storage-keys.ts";
import { pushBlob, send } from "../client.ts";
import { cutOff, letPass } from "../doubles/call-seam.ts";
import { dayMs, minuteMs } from "../durable-objects/clock.ts";
import { letPassMs } from "./alarms.ts";
import { Client } from "./client.ts";
import { collectAll } from "./invariants.ts";
import { pushWhole } from "./requests.ts";
import { type Operation, sharedLayer, testRows } from "./rows.ts";
import { type Blob, blobOf, imageOf, repositories, type World } from "./world.ts";

const { app, kept } = repositories;
const image = imageOf("image", sharedLayer);
const blob = blobOf("a blob that is lost");

/** An image that was deleted, so that nothing uses its blobs, of which one is another's too. */
async function deleteImage(world: World): Promise<void> {
  await world.push(app, "v1", image);
  await send("DELETE", `/v2/${app}/manifests/${image.digest}`);
  world.forgets(app, "v1");
  world.lost(`/v2/${app}/manifests/v1`);
  await letPassMs(0);
}

/** A push that is cut off, and whose client does not come back. */
async function cutOffPush(name: string): Promise<void> {
  cutOff({ name, nth: 1 }, "before");
  await new Client("gives up").perform((client) => pushWhole(client, app, blob));
  if (!letPass()) throw new Error(`${name} was not made`);
}

/** Deletes a blob's object behind the registry's back. */
async function loseObjects(digest: string): Promise<void> {
  const { objects } = await env.BLOBS.list({ include: ["customMetadata"] });
  const ours = objects.filter(({ customMetadata }) => customMetadata?.["digest"] === digest);
  await env.BLOBS.delete(ours.map(({ key }) => key));
}

/** A client that misses a blob, if it was not healed by another's push, and pushes it. */
async function pushLost(client: Client, repository: string, lost: Blob): Promise<void> {
  const path = `/v2/${repository}/blobs/${lost.digest}`;
  await client.ask({ method: "GET", path, wanted: [404, 200] });
  await pushWhole(client, repository, lost);
}

function collection(
  terms: { force: boolean; dryRun: boolean },
  deletedLayers: number,
  waitMs = 0,
): Operation["prepare"] {
  return async (world) => {
    await deleteImage(world);
    return async () => {
      await letPassMs(waitMs);
      expect((await collectAll(terms)).deletedLayers).toBeLessThanOrEqual(deletedLayers);
    };
  };
}

async function forced(): Promise<void> {
  await collectAll({ force: true, dryRun: false });
}

await testRows([
  {
    name: "a forced collection",
    prepare: collection({ force: true, dryRun: false }, 1),
    isAlarm: true,
  },
  {
    name: "a dry run of a forced collection",
    prepare: collection({ force: true, dryRun: true }, 1),
    isAlarm: true,
  },
  {
    name: "a collection of what is past its grace, by alarms, and one for all",
    prepare: collection({ force: false, dryRun: false }, 1, dayMs + minuteMs),
    isAlarm: true,
  },
  {
    name: "a forced collection of what a push left that was cut off before its claim",
    prepare: async () => {
      await cutOffPush("Worker: BlobIndex.claim");
      return forced;
    },
    isAlarm: true,
  },
  {
    name: "a forced collection of what a push left that was cut off before its link",
    prepare: async () => {
      await cutOffPush("Worker: Repository.linkBlob");
      return forced;
    },
    isAlarm: true,
  },
  {
    name: "asking holders after an hour, one with a link and one without",
    prepare: async () => {
      await pushBlob(app, sharedLayer.bytes);
      await cutOffPush("Worker: Repository.linkBlob");
      return async () => {
        await letPassMs(75 * minuteMs);
        await letPassMs(4 * minuteMs);
      };
    },
    isAlarm: true,
  },
  {
    name: "deletion of garbage",
    prepare: async (world) => {
      const name = `/v2/${app}/blobs/${await pushBlob(app, blob.bytes)}`;
      await send("DELETE", name);
      world.lost(name);
      await letPassMs(0);
      return () => letPassMs(4 * minuteMs);
    },
    isAlarm: true,
  },
  {
    name: "a sweep of what nobody claimed for eight days",
    prepare: async () => {
      const key = newBlobKey(Date.now(), crypto.randomUUID());
      await env.BLOBS.put(key, blob.bytes, { customMetadata: { digest: blob.digest } });
      await letPassMs(0);
      return async () => {
        await letPassMs(9 * dayMs);
        await letPassMs(minuteMs);
        expect(await env.BLOBS.head(key)).toBeNull();
      };
    },
    isAlarm: true,
  },
  {
    name: "POST /_gc, which waits for its end",
    of: "Worker",
    prepare: async (world) => {
      await deleteImage(world);
      return async (client) => {
        const asked = client.ask({ method: "POST", path: "/_gc?force=true", wanted: [200, 409] });
        const answered = asked.then(
          () => true,
          () => true,
        );
        // oxlint-disable-next-line no-await-in-loop
        while (!(await Promise.race([answered, scheduler.wait(5)]))) await letPassMs(0);
        await asked;
      };
    },
  },
  {
    name: "GET of a blob that R2 has lost, and its next push",
    prepare: async (world) => {
      await world.push(app, "v1", image);
      world.forgets(app, "v1");
      const [config] = image.blobs;
      if (config === undefined) throw new Error("an image has a config");
      await loseObjects(config.digest);
      return async (client) => {
        await pushLost(client, app, config);
        world.keeps(app, "v1", image);
      };
    },
    repairs: true,
  },
  {
    name: "GET of a blob that R2 has lost in two repositories, and a push to each",
    prepare: async (world) => {
      await pushBlob(app, sharedLayer.bytes);
      await loseObjects(sharedLayer.digest);
      return async (client) => {
        for (const repository of [app, kept]) {
          // oxlint-disable-next-line no-await-in-loop
          await pushLost(client, repository, sharedLayer);
          world.has(repository, sharedLayer);
        }
      };
    },
    repairs: true,
  },
]);
