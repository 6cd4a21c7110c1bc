import { homedir } from "node:os";
import { join } from "node:path";

/** The folder that `install.sh` fills; both compute it by the same rule. */
const built = join(
  process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"),
  "longshore-bench",
  "bin",
);

/** The programs of the benchmark, by full path. */
export const programs = {
  load: join(built, "load"),
  distribution: join(built, "registry"),
  dockerRegistry: join(built, "docker-registry"),
} as const;
