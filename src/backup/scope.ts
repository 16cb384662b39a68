import { CollectionNotFoundError } from '../chroma/errors.js'
import {
  parseCollectionPattern,
  selectCollections,
  unmatchedPatterns,
  type CollectionSelection,
} from '../core/collection-pattern.js'
import { UsageError } from '../core/errors.js'
import { displayName, type CollectionDefinition, type CollectionName } from '../core/records.js'
import type { BackupJob } from './backup-job.js'
import { listBackups, readableHeads, type BackupEntry } from './list-backups.js'
import type { BackupHead } from './manifest.js'
import { countsAsLatest } from './resolve-backup.js'
import { checkSeries } from './series.js'

/** What a job means, looked up at the source and in the repository. */
export interface BackupScopeFound {
  /** False when only some were asked for; leaving some out for good is still the whole series. */
  readonly isWhole: boolean
  readonly collections: readonly CollectionDefinition[]
  /** The newest complete backup of the series; null when there is none. */
  readonly previous: BackupHead | null
  /** The newest one of them that holds records, to build on; null when there is none, or none is wanted. */
  readonly parent: BackupHead | null
  /** Every backup of the series, newest first. */
  readonly entries: readonly BackupEntry[]
}

/** Rejects with a UsageError, or a CollectionNotFoundError for a pattern that matches nothing. */
export async function findScope(job: BackupJob): Promise<BackupScopeFound> {
  checkSeries(job.series)
  const selection = selectionOf(job)
  if (job.type === 'collection' && selection.include.length === 0)
    throw new UsageError('a backup of type collection needs to know which', {
      hint: 'name them with --collection',
    })
  const entries = await listBackups(job.repository, { series: job.series, signal: job.signal })
  const known = await job.source.listCollections(job.signal)
  const unmatched = unmatchedPatterns(selection.include, known)
  if (unmatched.length > 0) {
    throw new CollectionNotFoundError(
      unmatched.map(({ text }) => text),
      known.map(displayName),
    )
  }
  return {
    isWhole: selection.include.length === 0,
    collections: [...selectCollections(known, selection)].sort(byName),
    previous: readableHeads(entries).find(countsAsLatest) ?? null,
    parent: job.type === 'full' ? null : (readableHeads(entries).find(holdsRecords) ?? null),
    entries,
  }
}

/** What the manifest calls a backup with this scope, made upon `parent`. */
export function typeOf(isWhole: boolean, parent: unknown): 'full' | 'incremental' | 'collection' {
  if (!isWhole) return 'collection'
  return parent === null ? 'full' : 'incremental'
}

function holdsRecords(head: BackupHead): boolean {
  return countsAsLatest(head) && head.type !== 'physical'
}

/** How many collections in scope are there now that were not `before`. */
export async function countNewCollections(
  job: BackupJob,
  before: readonly CollectionDefinition[],
): Promise<number> {
  const known = new Set(before.map(({ id }) => id))
  const now = await job.source.listCollections(job.signal)
  return selectCollections(now, selectionOf(job)).filter(({ id }) => !known.has(id)).length
}

/** By tenant, database and name, as the manifest lists them. */
function byName(a: CollectionName, b: CollectionName): number {
  return compare(a.tenant, b.tenant) || compare(a.database, b.database) || compare(a.name, b.name)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function selectionOf(job: BackupJob): CollectionSelection {
  return {
    include: (job.collections ?? []).map(parseCollectionPattern),
    exclude: (job.exclude ?? []).map(parseCollectionPattern),
  }
}
