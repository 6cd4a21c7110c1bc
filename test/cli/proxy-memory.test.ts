/** How much memory `longshore proxy` takes, as Linux counts it. */
import { afterEach, expect, test } from "vitest";
import { RunningProxy } from "./running-proxy.ts";
import { StandInRegistry } from "./stand-in-registry.ts";

const uploads = 5;
const layerBytes = 128 * 1024 * 1024;
const residentBytesMax = 256_000_000;
let registry: StandInRegistry;
let proxy: RunningProxy;

afterEach(async () => {
  await proxy.stop();
  await registry.close();
});

function* layer(): Generator<Buffer> {
  const piece = Buffer.alloc(1024 * 1024, "layer");
  for (let sent = 0; sent < layerBytes; sent += piece.length) yield piece;
}

test("five uploads at once, of chunks that the registry takes late, stay within 256 MB", async () => {
  const offsets = new Map<string, number>();
  let begun = 0;
  let waiting: (() => void)[] = [];
  registry = await StandInRegistry.start(async ({ line, length }) => {
    const [method, path = ""] = line.split(" ");
    if (method === "POST") {
      begun += 1;
      return { status: 202, headers: { location: `/v2/team/app/blobs/uploads/${begun}` } };
    }
    if (method === "PUT") return { status: 201 };
    // No chunk is acknowledged before each upload has sent one: all their memory is filled.
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push(resolve);
    if (waiting.length === uploads) {
      for (const go of waiting) go();
      waiting = [];
    }
    await promise;
    const offset = (offsets.get(path) ?? 0) + length;
    offsets.set(path, offset);
    return { status: 202, headers: { location: path, range: `0-${offset - 1}` } };
  });
  proxy = await RunningProxy.start(registry.url, ["--quiet"]);
  const push = async () => {
    const location = await proxy.begin("team/app");
    return proxy.ask(`PATCH ${location}`, { body: layer() });
  };
  const answers = await Promise.all(Array.from({ length: uploads }, push));
  const whole = `0-${layerBytes - 1}`;
  expect(answers.map(({ headers }) => headers.range)).toEqual(answers.map(() => whole));
  expect(await proxy.peakBytes()).toBeLessThan(residentBytesMax);
});
