/** The API by hand, as tutorials and scripts do it: with curl, and as little else as possible. */
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { type Output, run } from "./command.ts";
import { imageConfig } from "./image.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { Registry } from "./registry.ts";
import { sha256Of, sha256OfFile } from "./sha256.ts";

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
let layer: Layer;

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  layer = await makeLayer(folder, { seed: "layer", bytes: 20_000_000 });
});

afterAll(async () => cleanup.run());

/** Begins an upload: a Location without a host means the host that was asked. */
const begin = `
LOCATION=$(curl -sS --fail-with-body -X POST -D - -o answer "$REGISTRY/v2/$NAME/blobs/uploads/" |
  tr -d '\\r' | sed -n 's/^[Ll]ocation: //p')
case "$LOCATION" in /*) LOCATION="$REGISTRY$LOCATION" ;; esac
`;

/** The two requests of the tutorial; the Location is always the one of the POST. */
const patchAndPut = `${begin}
curl -sS --fail-with-body -X PATCH --data-binary "@$FILE" "$LOCATION"
curl -sS --fail-with-body -X PUT "$LOCATION?digest=$DIGEST"
`;

/** Runs a script against the registry; any curl that fails ends it. */
async function script(text: string, variables: Record<string, string>): Promise<Output> {
  const env = { REGISTRY: registry.url, NAME: "by/hand", ...variables };
  return run("bash", ["-eu", "-o", "pipefail", "-c", text], { cwd: folder, env });
}

test("POST, PATCH and PUT, then a manifest, and GET after a restart of the registry", async () => {
  await script(patchAndPut, { FILE: layer.file, DIGEST: layer.diffId });

  const config = imageConfig("amd64", [layer]);
  const configFile = join(folder, "config.json");
  await writeFile(configFile, config);
  const configDigest = await sha256OfFile(configFile);
  await script(patchAndPut, { FILE: configFile, DIGEST: configDigest });

  const manifestType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: configDigest,
      size: config.length,
    },
    layers: [
      {
        mediaType: "application/vnd.oci.image.layer.v1.tar",
        digest: layer.diffId,
        size: layer.size,
      },
    ],
  });
  await writeFile(join(folder, "manifest.json"), manifest);
  await script(
    `curl -sS --fail-with-body -X PUT -H "Content-Type: $TYPE" --data-binary @manifest.json \\
      "$REGISTRY/v2/$NAME/manifests/v1"`,
    { TYPE: manifestType },
  );

  await registry.restart();
  const get = `curl -sS --fail-with-body -H "Accept: $TYPE" "$REGISTRY/v2/$NAME/manifests/v1"`;
  expect((await script(get, { TYPE: manifestType })).stdout).toBe(manifest);
  await script(`curl -sS --fail-with-body -o pulled "$REGISTRY/v2/$NAME/blobs/$DIGEST"`, {
    DIGEST: layer.diffId,
  });
  expect(await sha256OfFile(join(folder, "pulled"))).toBe(layer.diffId);
});

test("curl -C - goes on with a download that was cut", async () => {
  const partial = join(folder, "pulled");
  await truncate(partial, 7_654_321);
  const resume = `curl -sS --fail-with-body -C - -o pulled "$REGISTRY/v2/$NAME/blobs/$DIGEST"`;
  await script(resume, { DIGEST: layer.diffId });
  expect(await sha256OfFile(partial)).toBe(layer.diffId);
});

test.each([
  ["a PUT of a file", `curl -sS --fail-with-body -T "$FILE" "$LOCATION?digest=$DIGEST"`],
  [
    "a PUT with --data-binary",
    `curl -sS --fail-with-body -X PUT --data-binary "@$FILE" "$LOCATION?digest=$DIGEST"`,
  ],
  [
    "a PATCH from a pipe, which has no length",
    `cat "$FILE" | curl -sS --fail-with-body -X PATCH -T - "$LOCATION"; curl -sS --fail-with-body -X PUT "$LOCATION?digest=$DIGEST"`,
  ],
])("%s", async (what, requests) => {
  const seed = what.replaceAll(/\W+/gu, "-");
  const { file, diffId } = await makeLayer(folder, { seed, bytes: 9_000_000 });
  await script(`${begin}${requests}`, { FILE: file, DIGEST: diffId });
  const { stdout } = await script(
    `curl -sS --fail-with-body "$REGISTRY/v2/$NAME/blobs/$DIGEST" | sha256sum`,
    {
      DIGEST: diffId,
    },
  );
  expect(`sha256:${stdout.split(" ")[0] ?? ""}`).toBe(diffId);
});

test("a wrong digest is refused, and the right one taken afterwards", async () => {
  const content = "these bytes";
  await writeFile(join(folder, "bytes"), content);
  const digest = await sha256Of([new TextEncoder().encode(content)]);
  const { stdout } = await script(
    `${begin}
    curl -sS --fail-with-body -X PATCH --data-binary @bytes "$LOCATION"
    curl -sS -o answer -w '%{http_code} ' -X PUT "$LOCATION?digest=sha256:${"0".repeat(64)}"
    curl -sS -o answer -w '%{http_code}' -X PUT "$LOCATION?digest=$DIGEST"`,
    { DIGEST: digest },
  );
  expect(stdout).toBe("400 201");
});
