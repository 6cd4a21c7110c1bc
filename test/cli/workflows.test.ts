import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { Companion } from "./companion.ts";

const docs = join(import.meta.dirname, "../../docs/deploy");

interface Job {
  readonly stage?: string;
  readonly environment?: { readonly name: string };
  readonly rules?: readonly { readonly if: string; readonly when?: string }[];
  readonly script?: readonly string[];
}

async function gitlabJobs(): Promise<Record<string, Job>> {
  return parse(await readFile(join(docs, "gitlab-ci.yml"), "utf8")) as Record<string, Job>;
}

describe("the pipeline for GitLab", () => {
  test("deploys merges to staging, and to production when somebody starts it", async () => {
    const { stages, staging, production } = await gitlabJobs();
    expect(stages).toEqual(["staging", "production"]);
    expect([staging?.stage, staging?.environment?.name]).toEqual(["staging", "staging"]);
    expect([production?.stage, production?.environment?.name]).toEqual([
      "production",
      "production",
    ]);
    expect(production?.rules?.map(({ when }) => when)).toEqual(["manual"]);
  });
});

describe.each(["github-actions.yml", "gitlab-ci.yml"])("%s", async (file) => {
  const text = await readFile(join(docs, file), "utf8");

  test("deploys an environment, then tests it, staging before production", () => {
    const order = text.replaceAll(/^ *#.*$/gm, "").match(/longshore (?:setup --env \w+|smoke)/g);
    expect(order).toEqual([
      "longshore setup --env staging",
      "longshore smoke",
      "longshore setup --env production",
      "longshore smoke",
    ]);
  });

  test("uses options that the command has", async () => {
    const { output } = await Companion.run(["setup", "--help"]);
    for (const [option] of text.matchAll(/(?<=longshore setup .*)--[a-z-]+/g)) {
      expect(output).toContain(option);
    }
  });

  test("goes back to the version before where production fails its test", () => {
    expect(text).toMatch(/smoke[\s\S]+wrangler rollback --env production --yes/);
  });
});
