import { jurisdictionVariable, parseJurisdiction } from "../schemas/jurisdiction.ts";

/** The bindings of Durable Objects of the environment. */
type Objects = Pick<
  Env,
  "UPLOAD_SESSION" | "REPOSITORY" | "BLOB_INDEX" | "CATALOG" | "MAINTENANCE"
>;

/**
 * The objects of the jurisdiction that REGISTRY_JURISDICTION names: others than those of the same
 * names elsewhere. Those of the environment where it names none.
 */
export function placedObjects(env: Env): Objects {
  const { UPLOAD_SESSION, REPOSITORY, BLOB_INDEX, CATALOG, MAINTENANCE } = env;
  const jurisdiction = parseJurisdiction(Reflect.get(env, jurisdictionVariable));
  if (jurisdiction === undefined) {
    return { UPLOAD_SESSION, REPOSITORY, BLOB_INDEX, CATALOG, MAINTENANCE };
  }
  return {
    UPLOAD_SESSION: UPLOAD_SESSION.jurisdiction(jurisdiction),
    REPOSITORY: REPOSITORY.jurisdiction(jurisdiction),
    BLOB_INDEX: BLOB_INDEX.jurisdiction(jurisdiction),
    CATALOG: CATALOG.jurisdiction(jurisdiction),
    MAINTENANCE: MAINTENANCE.jurisdiction(jurisdiction),
  };
}
