/** A lifecycle rule of a bucket, as `wrangler r2 bucket lifecycle list` tells it. */
export interface LifecycleRule {
  readonly name: string;
  readonly enabled: boolean;
  readonly prefix: string;
  /** "Abort incomplete multipart uploads after 7 days", "Expire objects after 1 days", … */
  readonly action: string;
}

/** True for a rule that takes blobs from under the registry. */
export function deletesObjects({ enabled, action }: LifecycleRule): boolean {
  return enabled && action.includes("Expire objects");
}

/** True for a rule that ends abandoned uploads of the whole bucket. */
export function endsUploads({ enabled, prefix, action }: LifecycleRule): boolean {
  return enabled && prefix === "(all prefixes)" && /Abort incomplete multipart/.test(action);
}

/** The rules in what wrangler tells: blocks of `name:`, `enabled:`, `prefix:`, `action:`, with an empty line between two. */
export function parseLifecycleRules(output: string): LifecycleRule[] {
  const rules: LifecycleRule[] = [];
  for (const block of output.split(/\n(?=name: )|\n\n/)) {
    const values = new Map(
      block.split("\n").flatMap((line) => {
        const [, label, value] = /^(name|enabled|prefix|action):\s+(.*)$/.exec(line) ?? [];
        return label === undefined || value === undefined ? [] : [[label, value.trim()] as const];
      }),
    );
    const name = values.get("name");
    if (name === undefined) continue;
    rules.push({
      name,
      enabled: values.get("enabled") === "Yes",
      prefix: values.get("prefix") ?? "",
      action: values.get("action") ?? "",
    });
  }
  return rules;
}
