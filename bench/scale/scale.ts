/**
 * What a registry costs and carries, by the model of this folder:
 *
 *   npm run scale                                    the tables of docs/scale.md
 *   npm run scale -- --write                         … and writes them into it
 *   npm run scale -- company pullsPerDay=50000 …     a workload of one's own, from one of the three
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tablesOf, withTables } from "./page.ts";
import { company, publicRegistry, team, type Workload, workloads } from "./workload.ts";

const bases: Readonly<Record<string, Workload>> = { team, company, public: publicRegistry };
const page = join(import.meta.dirname, "../../docs/scale.md");

/** The workload that arguments describe. @throws Error if they are wrong */
function workloadOf(name: string, changes: readonly string[]): Workload {
  const base = bases[name];
  if (base === undefined) throw new Error(`${name} is none of ${Object.keys(bases).join(", ")}`);
  const changed: Record<string, unknown> = { ...base };
  for (const change of changes) {
    const [key = "", text = ""] = change.split("=");
    const value = Number(text);
    if (typeof changed[key] !== "number") throw new Error(`a workload has no number "${key}"`);
    if (text === "" || !(value >= 0)) throw new Error(`${key} is "${text}", not a number from 0`);
    changed[key] = value;
  }
  return { ...(changed as unknown as Workload), name: `${base.name}, changed` };
}

const [first, ...others] = process.argv.slice(2);
if (first === "--write") writeFileSync(page, withTables(readFileSync(page, "utf8")));
const loads = first === undefined || first === "--write" ? workloads : [workloadOf(first, others)];
for (const [name, text] of Object.entries(tablesOf(loads))) console.log(`${name}\n\n${text}\n`);
