import { parseCollectionPattern, type CollectionPattern } from '../core/collection-pattern.js'
import { UsageError } from '../core/errors.js'
import { parseBackupId } from './backup-id.js'
import { readCollections } from './contents.js'
import {
  BackupAmbiguousError,
  BackupNotFoundError,
  ManifestDamagedError,
  SeriesAmbiguousError,
} from './errors.js'
import { listBackups, type BackupEntry } from './list-backups.js'
import type { BackupHead } from './manifest.js'
import type { Repository } from './repository.js'

export interface ResolveOptions {
  readonly series?: string | undefined
  /** Patterns: `latest` then means the newest backup in which all of them are whole. */
  readonly collections?: readonly string[] | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * The backup that `selector` means: an id, the beginning of one, `latest`, `latest~1` (the one before), or an
 * ISO time (the newest finished by then). Only complete backups of whole series count as `latest`.
 *
 * Rejects with {@link BackupNotFoundError}, {@link SeriesAmbiguousError}, {@link BackupAmbiguousError},
 * {@link ManifestDamagedError} or a {@link UsageError}.
 */
export async function resolveBackup(
  repository: Repository,
  selector: string,
  options: ResolveOptions = {},
): Promise<BackupHead> {
  const wanted = parseSelector(selector)
  const entries = await listBackups(repository, { series: options.series, signal: options.signal })
  if (wanted.kind === 'id') return byId(repository, entries, wanted.prefix)
  if (options.series === undefined) refuseSeveralSeries(entries.map(({ series }) => series))
  const patterns = (options.collections ?? []).map(parseCollectionPattern)
  let skip = wanted.kind === 'latest' ? wanted.skip : 0
  for (const { id, head, damaged } of entries) {
    const finished = head === null ? (parseBackupId(id)?.created.getTime() ?? 0) : Date.parse(head.finished)
    if (wanted.kind === 'time' && finished > wanted.time) continue
    // To fall back silently to an older backup would lose what the newer one holds.
    if (damaged !== null) throw refuseDamaged(id, damaged)
    if (!(await counts(repository, head, patterns, options.signal))) continue
    if (skip === 0) return head
    skip--
  }
  throw notFound(repository, selector, entries, options.collections)
}

/** A complete backup of its whole series: what `latest`, parents and guards count. */
export function countsAsLatest(head: BackupHead): boolean {
  return head.status === 'complete' && head.type !== 'collection'
}

type Selector =
  | { readonly kind: 'id'; readonly prefix: string }
  | { readonly kind: 'latest'; readonly skip: number }
  | { readonly kind: 'time'; readonly time: number }

function parseSelector(selector: string): Selector {
  const latest = /^latest(?:~(\d{1,6}))?$/.exec(selector)
  if (latest !== null) return { kind: 'latest', skip: Number(latest[1] ?? 0) }
  if (/^\d{4}-\d\d-\d\d/.test(selector)) {
    const time = Date.parse(inUtc(selector))
    if (!Number.isNaN(time)) return { kind: 'time', time }
  }
  if (/^[0-9A-Za-z-]+$/.test(selector)) return { kind: 'id', prefix: selector }
  throw new UsageError(`"${selector}" does not name a backup`, {
    hint: 'use an id or its beginning, latest, latest~1, or a time such as 2026-11-20T02:00:00Z',
  })
}

/** Times are shown in UTC, so those without a zone are meant in UTC, wherever the machine stands. */
function inUtc(time: string): string {
  const lacksZone = time.includes(':') && !/(Z|[+-]\d\d:?\d\d)$/i.test(time)
  return lacksZone ? `${time}Z` : time
}

/**
 * The one of `ids` that is `prefix` or begins with it. Throws a {@link BackupAmbiguousError}, or a
 * {@link BackupNotFoundError} with the newest of them.
 */
export function matchId(repository: Repository, ids: readonly string[], prefix: string): string {
  const candidates = ids.includes(prefix) ? [prefix] : ids.filter((id) => id.startsWith(prefix))
  const [found] = candidates
  if (found === undefined) {
    const newest = [...ids].sort().reverse().slice(0, 5)
    throw new BackupNotFoundError(`no backup "${prefix}" in ${repository.store.displayUrl}`, {
      hint:
        newest.length === 0
          ? 'there is none to choose from'
          : `name it by its id, or the beginning of that; the newest are: ${newest.join(', ')}`,
    })
  }
  if (candidates.length > 1) {
    throw new BackupAmbiguousError(`several backups begin with ${prefix}`, {
      hint: `choose from: ${candidates.join(', ')}`,
    })
  }
  return found
}

function byId(repository: Repository, entries: readonly BackupEntry[], prefix: string): BackupHead {
  if (!entries.some(({ id }) => id.startsWith(prefix))) throw notFound(repository, prefix, entries)
  const id = matchId(
    repository,
    entries.map((entry) => entry.id),
    prefix,
  )
  const found = entries.find((entry) => entry.id === id)
  if (found === undefined) throw notFound(repository, prefix, entries)
  if (found.damaged !== null) throw found.damaged
  return found.head
}

/** Throws a {@link SeriesAmbiguousError} when the names are not all the same. */
export function refuseSeveralSeries(series: readonly string[]): void {
  const names = [...new Set(series)].sort()
  if (names.length > 1) throw new SeriesAmbiguousError(names)
}

function refuseDamaged(id: string, damaged: Error): Error {
  if (!(damaged instanceof ManifestDamagedError)) return damaged
  return new ManifestDamagedError(id, damaged.message, {
    hint: 'this is the newest backup and it cannot be used; name an older one by its id',
    cause: damaged,
  })
}

async function counts(
  repository: Repository,
  head: BackupHead,
  patterns: readonly CollectionPattern[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (patterns.length === 0) return countsAsLatest(head)
  const collections = await readCollections(repository, head, signal)
  return patterns.every((pattern) => {
    const meant = collections.filter((collection) => pattern.matches(collection))
    return meant.length > 0 && meant.every(({ status }) => status === 'complete')
  })
}

function notFound(
  repository: Repository,
  selector: string,
  entries: readonly BackupEntry[],
  collections: readonly string[] = [],
): BackupNotFoundError {
  const newest = entries.slice(0, 5).map(({ id, head }) => `${id}${remark(head)}`)
  const hint = newest.length === 0 ? 'there is no backup yet' : `the newest are: ${newest.join(', ')}`
  const whole = collections.length === 0 ? '' : ` with all of ${collections.join(', ')}`
  return new BackupNotFoundError(`no backup "${selector}"${whole} in ${repository.store.displayUrl}`, {
    hint,
  })
}

/** Why a backup does not count as latest. */
function remark(head: BackupHead | null): string {
  if (head === null) return ' (damaged)'
  if (head.status === 'partial') return ' (partial)'
  return head.type === 'collection' ? ' (a selection)' : ''
}
