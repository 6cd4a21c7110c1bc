/** What runs at the same time: a collection at each moment of a push, a push at each of a collection. */
import { describe, expect, test } from "vitest";
import { pushBlob, send } from "../client.ts";
import {
  type Call,
  holdUp,
  isHeldUp,
  letPass,
  type Pause,
  pauses,
  takeCalls,
} from "../doubles/call-seam.ts";
import { dayMs, minuteMs } from "../durable-objects/clock.ts";
import { letPassMs } from "./alarms.ts";
import { Client } from "./client.ts";
import {
  collectAll,
  expectNothingLeft,
  expectNothingMissing,
  expectTokensUsedOnce,
} from "./invariants.ts";
import { pushStream, pushWhole, putManifest } from "./requests.ts";
import { begin, callsOf, type Operation, sharedLayer, silence } from "./rows.ts";
import { blobOf, imageOf, repositories, World } from "./world.ts";

const { app, kept } = repositories;
const layer = blobOf("the layer that is met");
const image = imageOf("image", layer);

/** One that is held up at a call, and another that runs from its beginning to its end meanwhile. */
interface Meeting {
  readonly name: string;
  readonly first: Operation;
  readonly second: (world: World) => Promise<void>;
  /** Whose calls the first is held up at; without it, all that it makes. */
  readonly of?: RegExp;
}

type Push = typeof pushWhole;

/** Pushes the image, from its first blob again if a collection took one of them. */
function imagePush(push: Push): (world: World) => (client: Client) => Promise<void> {
  return (world) => async (client) => {
    for (const blob of image.blobs) {
      // oxlint-disable-next-line no-await-in-loop
      await push(client, app, blob);
    }
    await putManifest(client, app, "v1", image, [400]);
    world.keeps(app, "v1", image);
  };
}

const mountBlob: Push = async (client, repository, blob) => {
  const path = `/v2/${repository}/blobs/uploads/?mount=${blob.digest}&from=${kept}`;
  const response = await client.ask({ method: "POST", path, wanted: [201, 202] });
  if (response.status === 202) await pushWhole(client, repository, blob);
};

async function collectByForce(): Promise<void> {
  await collectAll({ force: true, dryRun: false });
}

/** So much time that holders are asked, and that no token may be linked any more. */
async function waitAnHour(): Promise<void> {
  await letPassMs(75 * minuteMs);
  await letPassMs(4 * minuteMs);
}

function pushOperation(name: string, push: Push, before: () => Promise<void>): Operation {
  return {
    name,
    prepare: async (world) => {
      await before();
      return imagePush(push)(world);
    },
  };
}

/** The blobs of the image, in another repository too: unlinked there, so that they are garbage. */
async function makeGarbage(): Promise<void> {
  for (const { bytes } of image.blobs) {
    // oxlint-disable-next-line no-await-in-loop
    const digest = await pushBlob(app, bytes);
    // oxlint-disable-next-line no-await-in-loop
    await send("DELETE", `/v2/${app}/blobs/${digest}`);
  }
  await letPassMs(0);
}

async function holdBlobs(): Promise<void> {
  for (const { bytes } of image.blobs) {
    // oxlint-disable-next-line no-await-in-loop
    await pushBlob(kept, bytes);
  }
}

const nothing = async () => undefined;

const pushes = [
  pushOperation("a push of whole blobs", pushWhole, nothing),
  pushOperation("a push of whole blobs that are garbage", pushWhole, makeGarbage),
  pushOperation("a push of whole blobs that another repository holds", pushWhole, holdBlobs),
  pushOperation("a push of streams", pushStream, nothing),
  pushOperation("a mount", mountBlob, holdBlobs),
];

const collections: readonly Operation[] = [
  {
    name: "the deletion of garbage",
    prepare: async () => {
      await makeGarbage();
      return () => letPassMs(4 * minuteMs);
    },
  },
  {
    name: "a collection by alarms",
    prepare: async () => {
      for (const { bytes } of image.blobs) {
        // oxlint-disable-next-line no-await-in-loop
        await pushBlob(app, bytes);
      }
      await letPassMs(0);
      return async () => {
        await letPassMs(dayMs + minuteMs);
        await letPassMs(4 * minuteMs);
      };
    },
  },
  {
    name: "a forced collection",
    prepare: async () => {
      for (const { bytes } of image.blobs) {
        // oxlint-disable-next-line no-await-in-loop
        await pushBlob(app, bytes);
      }
      await letPassMs(0);
      return collectByForce;
    },
  },
];

const meetings: readonly Meeting[] = [
  ...pushes.map((first) => {
    return { name: `${first.name} meets a forced collection`, first, second: collectByForce };
  }),
  ...pushes.map((first) => {
    return { name: `${first.name} waits for more than an hour`, first, second: waitAnHour };
  }),
  ...collections.flatMap((first) =>
    [
      ["whole blobs", pushWhole],
      ["streams", pushStream],
    ].map(([how, push]) => ({
      name: `${first.name} meets a push of ${String(how)}`,
      first,
      of: /^(?:BlobIndex|Repository|Maintenance)/,
      second: async (world: World) => {
        await new Client("retries").perform(imagePush(push as Push)(world));
      },
    })),
  ),
];

async function meet({ first, second }: Meeting, call: Call, pause: Pause): Promise<void> {
  const world = await World.begin(sharedLayer);
  const work = await first.prepare(world);
  holdUp(call, pause);
  let isOver = false;
  const working = new Client("retries").perform(work).finally(() => {
    isOver = true;
  });
  // oxlint-disable-next-line no-await-in-loop, no-unmodified-loop-condition
  while (!isHeldUp() && !isOver) await scheduler.wait(1);
  await second(world);
  expect(letPass(), "the call is held up").toBe(true);
  expect(await working).toBe(true);
  await expectNothingMissing();
  await world.expectReadable();
  expectTokensUsedOnce(takeCalls());
  await expectNothingLeft();
  await world.expectReadable();
}

await begin();
for (const meeting of meetings) {
  // oxlint-disable-next-line no-await-in-loop
  const calls = (await callsOf(meeting.first)).filter(({ name }) => meeting.of?.test(name) ?? true);
  const rows = calls.flatMap((call) =>
    pauses.map((pause) => [`${pause} ${call.name} (${call.nth})`, call, pause] as const),
  );
  describe(meeting.name, () => {
    test.each(rows)("%s", async (_, call, pause) => {
      silence();
      try {
        await meet(meeting, call, pause);
      } finally {
        letPass();
      }
    });
  });
}
