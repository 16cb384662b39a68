import { parseCollectionPattern, selectCollections, unmatchedPatterns } from '../core/collection-pattern.js'
import { throwIfAborted, type OpsError } from '../core/errors.js'
import type { Progress } from '../core/progress.js'
import { displayName, type CollectionName } from '../core/records.js'
import { readCatalogue } from './catalogue-reader.js'
import type { RowGroup } from './catalogue.js'
import { readContents } from './contents.js'
import { ObjectDamagedError } from './errors.js'
import { DELETED, LayerEdits, placedGroups } from './layer-edits.js'
import { listBackups } from './list-backups.js'
import type { BackupContents, BackupHead, CollectionEntry } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import { readIndexPage } from './replacement-rows.js'
import type { Repository } from './repository.js'
import type { RowGroupReadJob } from './row-group-reader.js'

export interface FindJob {
  readonly repository: Repository
  readonly ids: readonly string[]
  /** Patterns `[[tenant/]database/]name`; empty or absent: every collection. */
  readonly collections?: readonly string[] | undefined
  /** Only backups of this series. */
  readonly series?: string | undefined
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export interface FindReport {
  /** How many ids were looked for. */
  readonly ids: number
  /** Backups that hold at least one of them, newest first. */
  readonly backups: readonly BackupHolding[]
  /** Ids that are in no backup that could be searched. */
  readonly nowhere: readonly string[]
  /** Backups that were searched. */
  readonly searched: number
  /** What could not be searched, and may hold any of them. */
  readonly unsearched: readonly UnsearchedBackup[]
}

export interface BackupHolding {
  readonly backup: string
  readonly series: string
  /** ISO 8601. */
  readonly created: string
  readonly status: BackupHead['status']
  readonly collections: readonly CollectionHolding[]
}

export interface CollectionHolding extends CollectionName {
  /** The id that the source gave the collection. */
  readonly id: string
  /** Those of the ids that it has, in the collection's own order. */
  readonly ids: readonly string[]
}

export interface UnsearchedBackup {
  readonly backup: string
  /** Display name; null: all of the backup. */
  readonly collection: string | null
  readonly code: string
  readonly message: string
}

/**
 * Which backups hold records with these ids, by the index pages of their row groups: vectors and documents are
 * not read, and a page that several backups share is read once. A pattern that matches no collection of a
 * backup is no error. Rejects with a UsageError, an error of the store, or an AbortedError.
 */
export async function findRecords(job: FindJob): Promise<FindReport> {
  const { repository, series, signal, progress } = job
  const search = new Search(job)
  const backups: BackupHolding[] = []
  const unsearched: UnsearchedBackup[] = []
  const entries = await listBackups(repository, { series, signal })
  let done = 0
  for (const { id, head, damaged } of entries) {
    throwIfAborted(signal)
    const found =
      head === null ? { ...NOTHING, unsearched: [refusal(id, null, damaged)] } : await search.in(head)
    unsearched.push(...found.unsearched)
    if (head !== null && found.collections.length > 0) {
      const { created, status } = head
      backups.push({ backup: id, series: head.series, created, status, collections: found.collections })
    }
    for (const { records } of found.searched) done += records
    progress.update({ task: 'backups', phase: 'read', done, unit: 'records' })
  }
  progress.update({ task: 'backups', phase: 'read', done, unit: 'records', state: 'done' })
  const somewhere = new Set(backups.flatMap(({ collections }) => collections.flatMap(({ ids }) => ids)))
  const wanted = [...new Set(job.ids)]
  return {
    ids: wanted.length,
    backups,
    nowhere: wanted.filter((id) => !somewhere.has(id)),
    searched: entries.length - unsearched.filter(({ collection }) => collection === null).length,
    unsearched,
  }
}

interface Found {
  readonly searched: readonly CollectionEntry[]
  readonly collections: readonly CollectionHolding[]
  readonly unsearched: readonly UnsearchedBackup[]
}

const NOTHING = { searched: [], collections: [] }

class Search {
  readonly #job: FindJob
  readonly #wanted: ReadonlySet<string>
  /** By the id of the row group, which is that of its index page. */
  readonly #pages = new Map<string, readonly FoundRow[]>()
  readonly #include: ReturnType<typeof parseCollectionPattern>[]

  constructor(job: FindJob) {
    this.#job = job
    this.#wanted = new Set(job.ids)
    this.#include = (job.collections ?? []).map(parseCollectionPattern)
  }

  async in(head: BackupHead): Promise<Found> {
    if (head.type === 'physical') return { ...NOTHING, unsearched: [notByRecords(head.id)] }
    const collections: CollectionHolding[] = []
    const unsearched: UnsearchedBackup[] = []
    const { repository, signal } = this.#job
    const contents = await unlessDamaged(readContents(repository, head, signal))
    if (contents instanceof ObjectDamagedError)
      return { ...NOTHING, unsearched: [refusal(head.id, null, contents)] }
    const reader = new ObjectReader({ repository, backup: head.id })
    const searched = this.#chosen(contents)
    for (const entry of searched) {
      const ids = await unlessDamaged(this.#idsIn(reader, contents, entry))
      const { tenant, database, name, id } = entry
      if (ids instanceof ObjectDamagedError) unsearched.push(refusal(head.id, displayName(entry), ids))
      else if (ids.length > 0) collections.push({ tenant, database, name, id, ids })
    }
    return { searched, collections, unsearched }
  }

  #chosen({ collections }: BackupContents): readonly CollectionEntry[] {
    const there = collections.filter(({ status }) => status !== 'failed')
    const missing = new Set(unmatchedPatterns(this.#include, there))
    const include = this.#include.filter((pattern) => !missing.has(pattern))
    // No pattern left is not the same as no pattern given.
    if (include.length === 0 && this.#include.length > 0) return []
    return selectCollections(there, { include, exclude: [] })
  }

  async #idsIn(reader: ObjectReader, contents: BackupContents, entry: CollectionEntry): Promise<string[]> {
    const catalogue = await readCatalogue(reader, contents, entry, this.#job.signal)
    const purpose = { collection: displayName(entry), signal: this.#job.signal }
    const reading = { objects: reader, catalogue, purpose }
    const edits = catalogue.layers.length === 0 ? null : await LayerEdits.read(reading)
    const ids: string[] = []
    // A replacement has the id of what it replaces.
    for (const placed of placedGroups(catalogue)) {
      throwIfAborted(this.#job.signal)
      const { id } = placed.group
      const found = this.#pages.get(id) ?? (await this.#readPage(reading, placed.group))
      this.#pages.set(id, found)
      if (found.length === 0) continue
      const fates = edits?.of(placed)
      ids.push(...found.filter(({ row }) => fates?.layers[row] !== DELETED).map((each) => each.id))
    }
    return ids
  }

  async #readPage(reading: RowGroupReadJob, group: RowGroup): Promise<readonly FoundRow[]> {
    const rows = await readIndexPage(reading, group)
    return rows.flatMap(({ id }, row) => (this.#wanted.has(id) ? [{ id, row }] : []))
  }
}

interface FoundRow {
  readonly id: string
  /** Its number within its row group. */
  readonly row: number
}

function notByRecords(backup: string): UnsearchedBackup {
  return {
    backup,
    collection: null,
    code: 'PHYSICAL',
    message: 'a physical backup holds files, not records: it may hold any record that was there',
  }
}

function refusal(backup: string, collection: string | null, error: OpsError): UnsearchedBackup {
  return { backup, collection, code: error.code, message: error.message }
}

async function unlessDamaged<T>(reading: Promise<T>): Promise<T | ObjectDamagedError> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof ObjectDamagedError) return error
    throw error
  }
}
