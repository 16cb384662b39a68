import { readEntry } from '../../src/backup/list-backups.js'
import { objectsOf } from '../../src/backup/backup-objects.js'
import type { ApplyPruneJob } from '../../src/backup/prune-job.js'
import type { Repository } from '../../src/backup/repository.js'
import { objectKey } from '../../src/backup/object-reference.js'
import { NO_POLICY, type RetentionPolicy } from '../../src/backup/retention-policy.js'
import { silentProgress } from '../../src/core/progress.js'

export const DAY_MS = 86_400_000

/** A whole job for tests that care about few of its parts. */
export function pruneJob(
  repository: Repository,
  now: () => Date,
  policy: Partial<RetentionPolicy> = {},
  overrides: Partial<ApplyPruneJob> = {},
): ApplyPruneJob {
  return {
    repository,
    policy: { ...NO_POLICY, ...policy },
    series: null,
    named: null,
    graceMs: 7 * DAY_MS,
    purgeNow: false,
    allowShrink: false,
    actor: 'tester',
    host: 'testhost',
    singleWriter: false,
    now,
    progress: silentProgress,
    ...overrides,
  }
}

/** Ids of all backups, oldest first; rejects when one of them lacks an object that it needs. */
export async function wholeBackups(repository: Repository): Promise<readonly string[]> {
  const stored = new Set<string>()
  const ids: string[] = []
  for await (const { key } of repository.store.list('')) {
    stored.add(key)
    const id = /^backups\/(.+)\.json$/.exec(key)?.[1]
    if (id !== undefined) ids.push(id)
  }
  for (const id of ids) {
    const entry = await readEntry(repository, id, '', undefined)
    if (entry?.head == null) throw new Error(`${id} cannot be read`)
    for await (const reference of objectsOf(repository, entry.head))
      if (!stored.has(objectKey(reference))) throw new Error(`${id} lacks ${objectKey(reference)}`)
  }
  return ids
}
