/** A lifecycle rule as wrangler tells it. */
interface StandInRule {
  name: string;
  enabled: boolean;
  /** Empty for all objects. */
  prefix: string;
  action: string;
}

/** What the account of the stand-in has, kept as a file between two calls. */
export interface StandInAccount {
  isLoggedIn: boolean;
  buckets: Record<string, { jurisdiction?: string; objects: number; rules: StandInRule[] }>;
  /** R2 gives a new bucket the rule that ends uploads after seven days. */
  rulesOfNewBuckets: StandInRule[];
  namespaces: { id: string; title: string; supports_url_encoding: boolean }[];
  namespacesMade: number;
  workers: Record<
    string,
    { secrets: Record<string, string>; versions: { id: string; tag?: string }[] }
  >;
  /** The bundle of a dry run. */
  code: string;
  /** Where a deployment says that it went to. */
  targets: string[];
  /** The beginning of the command that fails, and what the API says then. */
  failingCommand?: string;
  failure: string;
}

/** An account with nothing in it. */
export function newAccount(): StandInAccount {
  return {
    isLoggedIn: true,
    buckets: {},
    rulesOfNewBuckets: [],
    namespaces: [],
    namespacesMade: 0,
    workers: {},
    code: "export default {};",
    targets: [],
    failure: "internal error",
  };
}
