/**
 * The Worker as one machine runs it: the deployed one, with disk behind the bindings that workerd has
 * no storage for. Durable Objects are workerd's own.
 */
import registry, {
  BlobIndex as DeployedBlobIndex,
  Catalog as DeployedCatalog,
  Maintenance as DeployedMaintenance,
  Repository as DeployedRepository,
  UploadSession as DeployedUploadSession,
} from "../workers/registry.ts";
import { Disk } from "./disk.ts";
import { DiskBucket } from "./disk-bucket.ts";
import { DiskKV } from "./disk-kv.ts";
import { RegistryError } from "../schemas/errors.ts";
import { countOperation } from "../telemetry/metrics.ts";
import { countedEnv } from "../workers/counted-env.ts";
import { refuse } from "../workers/observed.ts";
import { routePath } from "../workers/route-path.ts";
import { healthPath, readyPath } from "../workers/routes/health.ts";
import { FailureCounts } from "./failure-counts.ts";
import { FileSync } from "./file-sync.ts";
import { FreeSpace } from "./free-space.ts";
import { OpenUploads } from "./multipart-upload.ts";
import { isFromLoopback, loopbackOnly } from "./loopback.ts";
import { keepCachesInMemory } from "./memory-cache.ts";
import { ObjectCache } from "./object-store.ts";
import { rememberedRepositories, tellChanges } from "./remembered-repositories.ts";
import { RepositoryMemory } from "./repository-memory.ts";

/** The bindings of the configuration that workerd-config.ts writes. */
interface MachineEnv extends Omit<
  Env,
  "ANALYTICS" | "BLOBS" | "MANIFESTS" | "TAGS" | "LOGIN_FAILURES"
> {
  readonly BLOBS: Fetcher;
  readonly MANIFESTS: Fetcher;
  readonly TAGS: Fetcher;
  /** There with REGISTRY_FSYNC alone. */
  readonly SYNC?: Fetcher;
  readonly [loopbackOnly]?: string;
}

keepCachesInMemory();

/** The Worker and all objects live in one isolate, so what this module holds is the only one. */
const blobsMemory = {
  objects: new ObjectCache(),
  uploads: new OpenUploads(),
  space: new FreeSpace(),
};

const repositoryMemory = new RepositoryMemory();

const deployedEnvs = new WeakMap<MachineEnv, Env>();

/** Answered to everyone, open or not: they tell nothing of what is stored. */
const probes: ReadonlySet<string> = new Set([healthPath, readyPath]);

/** The environment that the deployed code expects. */
function deployedEnv(env: MachineEnv): Env {
  const known = deployedEnvs.get(env);
  if (known !== undefined) return known;
  const deployed: Omit<Env, "ANALYTICS"> = {
    ...env,
    BLOBS: new DiskBucket(env.BLOBS, blobsMemory, syncOf(env, "blobs")),
    MANIFESTS: new DiskKV(env.MANIFESTS, syncOf(env, "manifests")),
    TAGS: new DiskKV(env.TAGS, syncOf(env, "tags")),
    REPOSITORY: rememberedRepositories(env.REPOSITORY, repositoryMemory),
    LOGIN_FAILURES: new FailureCounts(),
  };
  // Without ANALYTICS, what happens is counted here, in the one isolate that there is.
  const complete = deployed as Env;
  deployedEnvs.set(env, complete);
  return complete;
}

/** What syncs a folder of the storage folder, where that is wanted. */
function syncOf({ SYNC }: MachineEnv, folder: string): FileSync | undefined {
  return SYNC && new FileSync(SYNC, folder);
}

/** The environment of objects: what they ask for is counted too. */
function objectEnv(env: MachineEnv): Env {
  return countedEnv(deployedEnv(env), (kind) => countOperation(kind, "objects"));
}

export class UploadSession extends DeployedUploadSession {
  constructor(ctx: DurableObjectState, env: MachineEnv) {
    super(ctx, objectEnv(env));
  }
}

export class Repository extends DeployedRepository {
  constructor(ctx: DurableObjectState, env: MachineEnv) {
    super(ctx, objectEnv(env));
    repositoryMemory.began(String(ctx.id));
  }
}
tellChanges(Repository, repositoryMemory);

export class BlobIndex extends DeployedBlobIndex {
  constructor(ctx: DurableObjectState, env: MachineEnv) {
    super(ctx, objectEnv(env));
  }
}

export class Catalog extends DeployedCatalog {
  constructor(ctx: DurableObjectState, env: MachineEnv) {
    super(ctx, objectEnv(env));
  }
}

export class Maintenance extends DeployedMaintenance {
  constructor(ctx: DurableObjectState, env: MachineEnv) {
    super(ctx, deployedEnv(env));
  }
}

const deployed: Required<Pick<ExportedHandler<Env>, "fetch">> = registry;

const reads: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Cloudflare sets this header; here a client could, to have its failed log-ins counted apart. */
const addressHeader = "CF-Connecting-IP";

type IncomingRequest = Request<unknown, IncomingRequestCfProperties>;

function withoutAddress(request: IncomingRequest): IncomingRequest {
  if (!request.headers.has(addressHeader)) return request;
  const headers = new Headers(request.headers);
  headers.delete(addressHeader);
  return new Request<unknown, IncomingRequestCfProperties>(request, { headers });
}

function refuseOthers(request: Request, env: Env): Response {
  return refuse(
    request,
    env,
    new RegistryError(
      "DENIED",
      "without users it is open to this machine alone, by 127.0.0.1 or localhost: set USERNAME and " +
        "PASSWORD for others, or REGISTRY_AUTH_TYPE=none to let everyone in",
    ),
  );
}

export default {
  async fetch(request, env, ctx) {
    if (
      env[loopbackOnly] === "true" &&
      !isFromLoopback(request) &&
      !probes.has(routePath(request))
    ) {
      return refuseOthers(request, deployedEnv(env));
    }
    // What fails then is known to fail for want of room.
    if (!reads.has(request.method)) await blobsMemory.space.look(new Disk(env.BLOBS));
    return deployed.fetch(withoutAddress(request), deployedEnv(env), ctx);
  },
} satisfies ExportedHandler<MachineEnv>;
