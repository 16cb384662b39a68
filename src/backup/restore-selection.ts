import { CollectionNotFoundError } from '../chroma/errors.js'
import { parseCollectionPattern, selectCollections, unmatchedPatterns } from '../core/collection-pattern.js'
import { GuardError } from '../core/errors.js'
import type { Warning } from '../core/progress.js'
import { displayName } from '../core/records.js'
import { namesText } from '../transfer/errors.js'
import type { RestoreItem } from '../transfer/restore-job.js'
import type { ErasedRecords } from '../transfer/restore-plan.js'
import { mapTargets } from '../transfer/restore-targets.js'
import { readCollections } from './contents.js'
import { Erasures } from './erasures.js'
import type { BackupHead, CollectionEntry } from './manifest.js'
import { openBackupRecords, type BackupRecords } from './open-records.js'
import type { RestoreJob } from './restore-job.js'

/** The part of a backup that a restore was asked for. */
export interface RestoreSelection {
  readonly source: BackupRecords
  readonly items: readonly RestoreItem[]
  /** What the backup does not have whole. */
  readonly warnings: readonly Warning[]
  /** Records that were erased since the backup and stay out. */
  readonly erased: readonly ErasedRecords[]
}

/**
 * Does work with the selection, whose source is open meanwhile. Rejects with a {@link CollectionNotFoundError}
 * (10), a UsageError (2) when targets clash, a GuardError `RESTORE_PARTIAL` (15), or what reading the backup
 * rejects with.
 */
export async function withRestoreSelection<T>(
  job: RestoreJob,
  work: (selection: RestoreSelection) => Promise<T>,
): Promise<T> {
  const { repository, head, progress, signal } = job
  const entries = await readCollections(repository, head, signal)
  const chosen = choose(job, entries)
  const broken = chosen.filter(({ status }) => status !== 'complete')
  if (broken.length > 0 && job.allowPartial !== true)
    throw new GuardError(
      'RESTORE_PARTIAL',
      `backup ${head.id} does not have all of ${namesText(broken.map(displayName))}`,
      { hint: '--allow-partial restores what there is; --exclude leaves them out' },
    )
  const erasures = job.includeErased === true ? null : await Erasures.read(repository, signal)
  if (job.records !== undefined) return work(await select(job, job.records, chosen))
  const { tempDir } = job
  const source = await openBackupRecords({ repository, head, tempDir, erasures, progress, signal })
  try {
    return await work(await select(job, source, chosen))
  } finally {
    await source.close()
  }
}

async function select(
  job: RestoreJob,
  source: BackupRecords,
  chosen: readonly CollectionEntry[],
): Promise<RestoreSelection> {
  const { signal } = job
  const definitions = new Map(
    (await source.listCollections(signal)).map((definition) => [displayName(definition), definition]),
  )
  const mapped = mapTargets(
    chosen.filter(({ status }) => status !== 'failed'),
    {
      rename: job.rename ?? new Map(),
      targetTenant: job.targetTenant ?? null,
      targetDatabase: job.targetDatabase ?? null,
    },
  )
  const items: RestoreItem[] = []
  const erased: ErasedRecords[] = []
  for (const { source: entry, target } of mapped) {
    const definition = definitions.get(displayName(entry))
    if (definition === undefined) continue
    const left = await source.leftOut(entry, signal)
    if (left !== null) erased.push({ collection: displayName(entry), records: left.records })
    // What an earlier run has restored is not the same when other records were erased by then.
    const content = `${contentOf(job.head, entry)}${left?.digest ?? ''}`
    const records = entry.records - (left?.records ?? 0)
    items.push({ definition, target, content, records, bytes: entry.logicalBytes })
  }
  const broken = chosen.filter(({ status }) => status !== 'complete')
  return { source, items, warnings: broken.map(warningOf), erased }
}

/** The digests of a collection; the files of a physical backup have none of their own. */
function contentOf(head: BackupHead, { digest, id }: CollectionEntry): string {
  return digest === null ? `${head.id}/${id}` : `${digest.payload}${digest.vectors}`
}

function choose(job: RestoreJob, entries: readonly CollectionEntry[]): readonly CollectionEntry[] {
  const include = (job.collections ?? []).map(parseCollectionPattern)
  const exclude = (job.exclude ?? []).map(parseCollectionPattern)
  const unmatched = unmatchedPatterns(include, entries)
  if (unmatched.length > 0)
    throw new CollectionNotFoundError(
      unmatched.map(({ text }) => text),
      entries.map(displayName),
    )
  return selectCollections(entries, { include, exclude })
}

function warningOf(entry: CollectionEntry): Warning {
  const name = displayName(entry)
  return entry.status === 'failed'
    ? { code: 'NOT_IN_BACKUP', message: `${name} is not in the backup: ${entry.error?.message ?? 'unknown'}` }
    : entry.missingVectors === 0
      ? { code: entry.error?.code ?? 'INCOMPLETE', message: entry.error?.message ?? `${name} is not whole` }
      : {
          code: 'VECTORS_LOST',
          message: `${name}: ${entry.missingVectors} records have no vector and stay out`,
        }
}
