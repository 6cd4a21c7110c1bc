const mib = 2 ** 20;
const gib = 2 ** 30;

/** Images of one size, and how often they are pushed and pulled. */
export interface ImageAmounts {
  readonly bytes: number;
  readonly pushes: number;
  readonly pulls: number;
  /** Pulls and pushes together, three to one. */
  readonly mixed: number;
}

/** How much work each scenario is. */
export interface Amounts {
  readonly layerBytes: number;
  readonly chunkBytes: readonly number[];
  readonly rangeBytes: number;
  /** Layers that are pushed for figures of memory alone. */
  readonly largeLayerBytes: readonly number[];
  readonly uploadsAtOnce: number;
  readonly uploadBytes: number;
  /** Images that are pushed and pulled before anything counts. */
  readonly warmUps: number;
  readonly images: readonly ImageAmounts[];
  readonly repeatedPushes: number;
  readonly pullsAtOnce: number;
  readonly pulledAtOnceBytes: number;
  readonly repositories: number;
  readonly tags: number;
  readonly manifestRequests: number;
  readonly tagLists: number;
  readonly catalogs: number;
  /** Tags in one repository, at each of which it is looked what one more costs. */
  readonly growth: readonly number[];
  /** Images, each in a new repository, behind which memory is looked at. */
  readonly manyImages: readonly number[];
  /** How long a registry rests after them before its memory is looked at. */
  readonly restMs: number;
}

export const standard: Amounts = {
  layerBytes: 512 * mib,
  chunkBytes: [5 * mib, 64 * mib],
  rangeBytes: 8 * mib,
  largeLayerBytes: [],
  uploadsAtOnce: 8,
  uploadBytes: 32 * mib,
  warmUps: 30,
  images: [
    { bytes: 1_000_000, pushes: 100, pulls: 200, mixed: 120 },
    { bytes: 10_000_000, pushes: 16, pulls: 32, mixed: 24 },
  ],
  repeatedPushes: 200,
  pullsAtOnce: 200,
  pulledAtOnceBytes: 1_000_000,
  repositories: 1000,
  tags: 10_000,
  manifestRequests: 1000,
  tagLists: 5,
  catalogs: 100,
  growth: [10, 1000],
  manyImages: [],
  restMs: 5000,
};

/** With layers of 4 and 10 GiB, images of 100 MB, 100,000 tags in a repository, 10,000 repositories. */
export const full: Amounts = {
  ...standard,
  largeLayerBytes: [4 * gib, 10 * gib],
  images: [...standard.images, { bytes: 100_000_000, pushes: 20, pulls: 40, mixed: 40 }],
  growth: [10, 1000, 100_000],
  manyImages: [10_000],
};

/** As little as each scenario can be: it shows that all run, its figures mean nothing. */
export const smoke: Amounts = {
  layerBytes: 6 * mib,
  chunkBytes: standard.chunkBytes,
  rangeBytes: mib,
  largeLayerBytes: [],
  uploadsAtOnce: 2,
  uploadBytes: mib,
  warmUps: 1,
  images: standard.images.map(({ bytes }) => ({ bytes, pushes: 2, pulls: 4, mixed: 4 })),
  repeatedPushes: 2,
  pullsAtOnce: 4,
  pulledAtOnceBytes: 1_000_000,
  repositories: 3,
  tags: 12,
  manifestRequests: 20,
  tagLists: 2,
  catalogs: 2,
  growth: [10, 20],
  manyImages: [5],
  restMs: 100,
};

/** Bytes as they are said: 512 MiB, 10 GiB, 10 MB. */
export function sayBytes(bytes: number): string {
  for (const [unit, name] of [
    [gib, "GiB"],
    [mib, "MiB"],
    [1e6, "MB"],
    [1e3, "kB"],
  ] as const) {
    if (bytes % unit === 0) return `${bytes / unit} ${name}`;
  }
  return `${bytes} bytes`;
}

/** Counts as they are said: 10,000. */
export function sayCount(count: number): string {
  return count.toLocaleString("en-US");
}
