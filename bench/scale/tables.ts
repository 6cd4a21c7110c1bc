/** The tables of docs/scale.md, as Markdown. */
import {
  type Budget,
  manifestByDigest,
  manifestHeadByTag,
  manifestWithoutReplica,
  strongPull,
} from "./budgets.ts";
import { blobsOfImage, callsPerSecondMax, hotImageRows, nodes, seconds } from "./hot-image.ts";
import { busiestPullShareMax, limitsOf } from "./limits.ts";
import { billOf, planDollars } from "./prices.ts";
import { otherBill, otherRegistries } from "./registries.ts";
import { daysOfMonth, type Usage, usageOf } from "./usage.ts";
import type { Workload } from "./workload.ts";

type Scales = readonly (readonly [number, string])[];

const counts: Scales = [
  [1e12, " T"],
  [1e9, " B"],
  [1e6, " M"],
  [1e3, " k"],
];

const ofGB: Scales = [
  [1e9, " EB"],
  [1e6, " PB"],
  [1e3, " TB"],
  [1, " GB"],
];

/** A number of three digits, with what it is a thousand, a million or more of. */
export function amount(value: number, scales: Scales = counts): string {
  const [by, unit] = scales.find(([least]) => value >= 0.9995 * least) ?? [1, ""];
  const shown = value / by;
  const digits = shown >= 99.95 ? 0 : shown >= 9.995 ? 1 : 2;
  return `${Number(shown.toFixed(digits))}${unit}`;
}

/** Cents up to a hundred dollars, then three digits. */
export function money(dollars: number): string {
  if (dollars < 100) return `$${dollars.toFixed(2)}`;
  if (dollars < 10_000) return `$${Math.round(dollars).toLocaleString("en-US")}`;
  return `$${amount(dollars)}`;
}

/** Up to two digits; what is less than a hundredth of a percent is said so. */
function percent(share: number): string {
  if (share > 0 && share < 0.0001) return "< 0.01 %";
  return `${Number((100 * share).toPrecision(share < 0.1 ? 1 : 2))} %`;
}

function rowOf(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [rowOf(head), rowOf(head.map(() => "---")), ...rows.map(rowOf)].join("\n");
}

/** What is assumed of each workload. */
export function assumptions(loads: readonly Workload[]): string {
  const row = (name: string, cell: (load: Workload) => string): string[] => [
    name,
    ...loads.map(cell),
  ];
  return table(
    ["", ...loads.map(({ name }) => name)],
    [
      row("pulls a day", (load) => amount(load.pullsPerDay)),
      row("pushes a day", (load) => amount(load.pushesPerDay)),
      row("busiest second, over the mean one", (load) => amount(load.peakFactor)),
      row("data centres", (load) => amount(load.dataCentres)),
      row("image, MB in layers", (load) => `${amount(load.imageBytes / 1e6)} in ${load.layers}`),
      row("layers fetched by a pull", (load) => percent(load.fetchedShare)),
      row("layers new with a push", (load) => percent(load.newLayerShare)),
      row("of these by PATCH", (load) => percent(load.streamedShare)),
      row("pulls by tag", (load) => percent(load.byTagShare)),
      row("pulls through an index", (load) => percent(load.indexShare)),
      row("manifests that KV has, links that the cache has", (load) => {
        return `${percent(load.replicaShare)}, ${percent(load.linkShare)}`;
      }),
      row("pulls of the busiest repository, pushes to the busiest", (load) => {
        return `${percent(load.busiestPullShare)}, ${percent(load.busiestPushShare)}`;
      }),
      row("days that an image is kept", (load) => amount(load.keptDays)),
      row("requests whose log is kept", (load) => percent(load.loggedShare)),
    ],
  );
}

/** What a month uses, and what that costs. */
export function bill(loads: readonly Workload[]): string {
  const bills = loads.map((load) => billOf(usageOf(load)));
  const names = bills[0]?.lines.map(({ price }) => price.name) ?? [];
  return table(
    ["a month", ...loads.flatMap(({ name }) => [name, ""])],
    [
      ["Workers Paid", ...loads.flatMap(() => ["", money(planDollars)])],
      ...names.map((name, at) => [
        name,
        ...bills.flatMap(({ lines }) => {
          const line = lines[at];
          return line === undefined ? ["", ""] : [amount(line.used), money(line.dollars)];
        }),
      ]),
      ["**in all**", ...bills.flatMap(({ dollars }) => ["", `**${money(dollars)}**`])],
      [
        "for 1,000 pulls",
        ...loads.flatMap(({ pullsPerDay }, at) => [
          "",
          money((1000 * (bills[at]?.dollars ?? 0)) / (pullsPerDay * daysOfMonth)),
        ]),
      ],
    ],
  );
}

/** The same images and pulls elsewhere. */
export function comparison(loads: readonly Workload[]): string {
  const usages: readonly Usage[] = loads.map(usageOf);
  const kept = usages.map(({ r2GB, sentGB }) => `${amount(r2GB, ofGB)}, ${amount(sentGB, ofGB)}`);
  return table(
    ["dollars a month", ...loads.map(({ name }) => name)],
    [
      ["stored, sent", ...kept],
      [
        "Longshore, wherever pulls come from",
        ...usages.map((usage) => money(billOf(usage).dollars)),
      ],
      ...otherRegistries.flatMap((registry) => [
        [
          `${registry.name}, pulls from the internet`,
          ...usages.map((usage) => money(otherBill(registry, usage, 1))),
        ],
        [
          `${registry.name}, pulls from its own region`,
          ...usages.map((usage) => money(otherBill(registry, usage, 0))),
        ],
      ]),
    ],
  );
}

/** How near each workload comes to the limits of the platform. */
export function limits(loads: readonly Workload[]): string {
  const of = loads.map((load) => new Map(limitsOf(load).map((limit) => [limit.name, limit])));
  const [largest] = loads.toReversed();
  const names = largest === undefined ? [] : limitsOf(largest).map(({ name }) => name);
  return table(
    ["limit", "at most", ...loads.map(({ name }) => name)],
    [
      ...names.map((name) => {
        const limit = of[0]?.get(name);
        return [
          name,
          name.startsWith("the largest layer")
            ? "the zone's"
            : `${limit?.max.toLocaleString("en-US")} ${limit?.unit}`,
          ...of.map((byName) => {
            const { used, max } = byName.get(name) ?? { used: 0, max: 1 };
            return percent(used / max);
          }),
        ];
      }),
      [
        "**the first that is met**",
        "",
        ...loads.map((load) => `**${limitsOf(load)[0]?.name ?? ""}**`),
      ],
      [
        "of all pulls, one repository may have",
        "",
        ...loads.map((load) => percent(busiestPullShareMax(load))),
      ],
    ],
  );
}

function rollout(name: string, { objects }: Pick<Budget, "objects">): string[] {
  const most =
    objects.length === 0
      ? "as many as KV and R2 serve"
      : Math.floor(callsPerSecondMax / objects.length).toLocaleString("en-US");
  return [name, String(objects.length), most];
}

/** How many nodes may begin to pull one image in the same second. */
export function rollouts(): string {
  const named = [...manifestHeadByTag.objects];
  return table(
    ["an image of ten layers", "calls a pull", "nodes a second"],
    [
      rollout("by digest", manifestByDigest),
      rollout("by tag", manifestHeadByTag),
      rollout("by tag, right behind the push", {
        objects: [...named, ...manifestWithoutReplica(blobsOfImage).objects],
      }),
      rollout("by tag, with `REGISTRY_READS=strong`", strongPull(blobsOfImage)),
    ],
  );
}

/** A thousand nodes that pull one image. */
export function hotImage(): string {
  const most = seconds * callsPerSecondMax;
  return table(
    [
      `${nodes.toLocaleString("en-US")} nodes`,
      `calls of the image's repository, of ${most.toLocaleString("en-US")}`,
      "in its busiest second",
    ],
    hotImageRows.map(({ name, callsMax, callsInASecondMax }) => [
      name,
      `at most ${callsMax.toLocaleString("en-US")}`,
      `at most ${callsInASecondMax.toLocaleString("en-US")}`,
    ]),
  );
}
