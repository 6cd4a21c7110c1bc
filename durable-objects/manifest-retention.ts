import type { Digest } from "../schemas/digest.ts";

/** Which manifests of a repository nothing needs any more; reads the tables of ManifestStore. */
export class ManifestRetention {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /**
   * Manifests that were released by `releasedMs` and that nothing needs: no tag names them, and no
   * manifest that is kept reaches them as its child, its subject or its referrer.
   */
  unneeded(releasedMs: number, limit: number): { digest: Digest; sinceMs: number }[] {
    return this.#sql
      .exec<{ digest: Digest; sinceMs: number }>(
        `WITH RECURSIVE kept (digest) AS (
           SELECT digest FROM tags
           UNION SELECT digest FROM manifests WHERE released_ms > ?1
           UNION SELECT target FROM kept JOIN manifest_references ON manifest = kept.digest
           UNION SELECT manifests.digest FROM kept JOIN manifests ON subject = kept.digest
           UNION SELECT subject FROM kept JOIN manifests ON manifests.digest = kept.digest
             WHERE subject IS NOT NULL)
         SELECT digest, released_ms AS "sinceMs" FROM manifests
         WHERE released_ms <= ?1 AND digest NOT IN (SELECT digest FROM kept) LIMIT ?2`,
        releasedMs,
        limit,
      )
      .toArray();
  }

  /** When the next manifest was released that was released after `nowMs`; null if there is none. */
  nextReleasedMs(afterMs: number): number | null {
    return this.#sql
      .exec<{ released: number | null }>(
        "SELECT min(released_ms) AS released FROM manifests WHERE released_ms > ?",
        afterMs,
      )
      .one().released;
  }

  /** Referrers whose subject was deleted by `orphanedMs`, and that no tag and no index names. */
  orphans(orphanedMs: number, limit: number): { digest: Digest; subject: Digest }[] {
    return this.#sql
      .exec<{ digest: Digest; subject: Digest }>(
        `SELECT digest, subject FROM manifests WHERE orphaned_ms <= ?
         AND digest NOT IN (SELECT digest FROM tags)
         AND NOT EXISTS (SELECT 1 FROM manifest_references WHERE target = manifests.digest) LIMIT ?`,
        orphanedMs,
        limit,
      )
      .toArray();
  }

  nextOrphanedMs(afterMs: number): number | null {
    return this.#sql
      .exec<{ orphaned: number | null }>(
        "SELECT min(orphaned_ms) AS orphaned FROM manifests WHERE orphaned_ms > ?",
        afterMs,
      )
      .one().orphaned;
  }
}
