import type { Amounts } from "./amounts.ts";
import type { Row, Suite } from "./scenario.ts";
import { growth } from "./scenarios/growth.ts";
import { images, manyImages } from "./scenarios/images.ts";
import { largeLayers, layers } from "./scenarios/layers.ts";
import { requests } from "./scenarios/requests.ts";

/** All suites, in the order in which they run, with the steps that have a row named like the pattern. */
export function suitesOf(amounts: Amounts, pattern?: RegExp): readonly Suite[] {
  const suites = [layers, images, requests, growth].map((suite) => suite(amounts));
  return [...suites, ...manyImages(amounts), ...largeLayers(amounts)]
    .map((suite) => ({
      ...suite,
      steps: suite.steps.filter(({ rows }) =>
        rows.some(({ name }) => pattern?.test(`${suite.name}: ${name}`) ?? true),
      ),
    }))
    .filter(({ steps }) => steps.length > 0);
}

/** The rows of all suites, in the order of the table. */
export function rowsOf(suites: readonly Suite[]): readonly Row[] {
  return suites.flatMap(({ steps }) => steps.flatMap(({ rows }) => rows));
}
