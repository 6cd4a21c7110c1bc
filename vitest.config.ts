import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: { bindings: { REGISTRY_AUTH_TYPE: "none" } },
          }),
        ],
        test: {
          name: "registry",
          include: ["test/*.test.ts", "test/durable-objects/**/*.test.ts", "test/schemas/**/*.test.ts"],
        },
      },
    ],
  },
});
