import { expect, test } from "vitest";
import {
  imageManifest,
  indexOf,
  newRepository,
  ociIndex,
  ociManifest,
  pushBlob,
  putManifest,
  send,
} from "../client.ts";

type Make = (blob: { digest: string; size: number }) => string;

test.each<[string, string, Make]>([
  ["a config", ociManifest, (blob) => imageManifest(blob, [])],
  ["a layer", ociManifest, (blob) => imageManifest({ ...blob, size: 5 }, [blob])],
  ["a child", ociIndex, (blob) => indexOf([{ mediaType: "application/x", ...blob }])],
])("%s of another size than the stored one is taken too", async (_case, mediaType, make) => {
  const repository = newRepository();
  const manifest = make({ digest: await pushBlob(repository, "bytes"), size: 7 });
  expect((await putManifest(repository, "latest", manifest, mediaType)).status).toBe(201);
  const got = await send("GET", `/v2/${repository}/manifests/latest`);
  expect(await got.text()).toBe(manifest);
});
