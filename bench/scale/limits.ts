/** The published limits that a workload comes near to, and which it meets first. */
import { callsPerSecondMax } from "./hot-image.ts";
import {
  addPulls,
  addPushes,
  assumed,
  keptOf,
  repositoryBytes,
  secondsOfDay,
  stored,
} from "./usage.ts";
import { Sum } from "./sum.ts";
import type { Workload } from "./workload.ts";

/** Objects that hold the blobs of one algorithm. */
const indexes = 256;
/** An object that writes with each call answers 200 to 500 a second. */
const writesPerSecondMax = 200;
/** We refuse pushes to a repository beyond this. */
const repositoryBytesMax = 8e9;
const objectBytesMax = 10e9;
/** `limits.cpu_ms` */
const cpuMsMax = 300_000;
const GiB = 1024 ** 3;

export interface Limit {
  readonly name: string;
  readonly used: number;
  readonly max: number;
  readonly unit: string;
}

/** What shares of all pulls and pushes ask for in the busiest second. */
function peakSecond(load: Workload, pullShare: number, pushShare: number): Sum {
  const sum = new Sum();
  const perSecond = load.peakFactor / secondsOfDay;
  addPulls(sum, load.pullsPerDay * perSecond * pullShare, load);
  addPushes(sum, load.pushesPerDay * perSecond * pushShare, load);
  return sum;
}

/** How much of each limit a workload uses, the most used first. */
export function limitsOf(load: Workload): Limit[] {
  const peak = peakSecond(load, 1, 1);
  const { images, blobs } = keptOf(load);
  const perSecond = "calls/s";
  const limits: Limit[] = [
    {
      name: "calls of the repository that is pulled from most",
      used: peakSecond(load, load.busiestPullShare, 0).callsOf("Repository"),
      max: callsPerSecondMax,
      unit: perSecond,
    },
    {
      name: "calls of the repository that is pushed to most, which write",
      used: peakSecond(load, 0, load.busiestPushShare).callsOf("Repository"),
      max: writesPerSecondMax,
      unit: perSecond,
    },
    {
      name: "calls of each index of blobs, which write",
      used: peak.callsOf("BlobIndex") / indexes,
      max: writesPerSecondMax,
      unit: perSecond,
    },
    {
      name: "calls of the catalog, which write",
      used: peak.callsOf("Catalog"),
      max: writesPerSecondMax,
      unit: perSecond,
    },
    {
      name: "SQLite of the repository that is pushed to most",
      used: repositoryBytes(images * load.busiestPushShare, load) / 1e9,
      max: repositoryBytesMax / 1e9,
      unit: "GB",
    },
    {
      name: "SQLite of each index of blobs",
      used: (blobs * stored.indexRowBytes) / indexes / 1e9,
      max: objectBytesMax / 1e9,
      unit: "GB",
    },
    {
      name: "SQLite of the catalog",
      used: (load.repositories * stored.catalogRowBytes) / 1e9,
      max: objectBytesMax / 1e9,
      unit: "GB",
    },
    {
      name: "the largest layer in one request of the zone",
      used: load.largestLayerBytes / 1e6,
      max: load.bodyBytesMax / 1e6,
      unit: "MB",
    },
    {
      name: "CPU of hashing the largest layer",
      used: ((load.largestLayerBytes / GiB) * assumed.cpuMsPerGiBHashed) / 1000,
      max: cpuMsMax / 1000,
      unit: "s",
    },
  ];
  return limits.toSorted((one, other) => other.used / other.max - one.used / one.max);
}

/** The share of a workload's pulls that one repository's object can serve in the busiest second. */
export function busiestPullShareMax(load: Workload): number {
  return Math.min(1, callsPerSecondMax / peakSecond(load, 1, 0).callsOf("Repository"));
}
