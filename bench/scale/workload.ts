/** What is asked of a registry, and how it is used. Sizes are bytes as they are sent, compressed. */
export interface Workload {
  readonly name: string;
  readonly pullsPerDay: number;
  readonly pushesPerDay: number;
  /** The busiest second, over the mean one. */
  readonly peakFactor: number;
  readonly dataCentres: number;
  /** All layers of an image together. */
  readonly imageBytes: number;
  readonly layers: number;
  readonly largestLayerBytes: number;
  /** What the zone's plan lets through in one request. */
  readonly bodyBytesMax: number;
  /** Share of pulls that name a tag; the others name a digest. */
  readonly byTagShare: number;
  /** Share of pulls that go through an index of platforms first. */
  readonly indexShare: number;
  /** Share of an image's layers that a node does not have yet. */
  readonly fetchedShare: number;
  /** Share of manifests read by digest that KV has. */
  readonly replicaShare: number;
  /** Share of blobs whose links the data centre's cache has. */
  readonly linkShare: number;
  /** Share of an image's layers that are new with a push; the registry holds the others. */
  readonly newLayerShare: number;
  /** Share of new layers that come by PATCH, as from docker's graph driver, and not whole. */
  readonly streamedShare: number;
  /** Share of all pulls that are of the repository that is pulled from most. */
  readonly busiestPullShare: number;
  /** Share of all pushes that are to the repository that is pushed to most. */
  readonly busiestPushShare: number;
  /** For how many days an image is kept. */
  readonly keptDays: number;
  readonly repositories: number;
  /** Share of requests whose lines Workers Logs keeps (`head_sampling_rate`). */
  readonly loggedShare: number;
}

const MB = 1e6;

export const team: Workload = {
  name: "a team",
  pullsPerDay: 1000,
  pushesPerDay: 50,
  peakFactor: 20,
  dataCentres: 2,
  imageBytes: 250 * MB,
  layers: 10,
  largestLayerBytes: 90 * MB,
  bodyBytesMax: 100 * MB,
  byTagShare: 0.9,
  indexShare: 0.3,
  fetchedShare: 0.6,
  replicaShare: 0.95,
  linkShare: 0.98,
  newLayerShare: 0.3,
  streamedShare: 0.3,
  busiestPullShare: 0.5,
  busiestPushShare: 0.5,
  keptDays: 90,
  repositories: 20,
  loggedShare: 1,
};

export const company: Workload = {
  name: "a company",
  pullsPerDay: 1e6,
  pushesPerDay: 10_000,
  peakFactor: 10,
  dataCentres: 20,
  imageBytes: 400 * MB,
  layers: 12,
  largestLayerBytes: 180 * MB,
  bodyBytesMax: 200 * MB,
  byTagShare: 0.8,
  indexShare: 0.5,
  fetchedShare: 0.4,
  replicaShare: 0.97,
  linkShare: 0.98,
  newLayerShare: 0.3,
  streamedShare: 0.2,
  busiestPullShare: 0.1,
  busiestPushShare: 0.05,
  keptDays: 90,
  repositories: 2000,
  loggedShare: 1,
};

export const publicRegistry: Workload = {
  name: "a public registry",
  pullsPerDay: 1e9,
  pushesPerDay: 1e6,
  peakFactor: 3,
  dataCentres: 330,
  imageBytes: 100 * MB,
  layers: 7,
  largestLayerBytes: 2000 * MB,
  bodyBytesMax: 5000 * MB,
  byTagShare: 0.9,
  indexShare: 0.8,
  fetchedShare: 0.3,
  replicaShare: 0.99,
  linkShare: 0.99,
  newLayerShare: 0.3,
  streamedShare: 0.2,
  busiestPullShare: 0.03,
  busiestPushShare: 0.0005,
  keptDays: 730,
  repositories: 1e7,
  loggedShare: 0.01,
};

export const workloads: readonly Workload[] = [team, company, publicRegistry];
