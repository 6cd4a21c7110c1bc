import { join } from "node:path";
import { build, stop } from "esbuild";

/** Bundles the Worker of a source file into one ES module, as wrangler does for a deployment. */
export async function bundleWorker(source: string, modulePath: string): Promise<void> {
  await build({
    entryPoints: [source],
    outfile: modulePath,
    bundle: true,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    mainFields: ["browser", "module", "main"],
    external: ["cloudflare:*", "node:*"],
    // prom-client asks for it by require, which no ES module has.
    alias: { util: join(import.meta.dirname, "node-util.ts") },
    keepNames: true,
    logLevel: "error",
  });
  // esbuild keeps a process of its own otherwise.
  await stop();
}
