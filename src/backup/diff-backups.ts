import { mkdir } from 'node:fs/promises'

import { parseCollectionPattern, selectCollections } from '../core/collection-pattern.js'
import { UsageError } from '../core/errors.js'
import type { Progress } from '../core/progress.js'
import { displayName, type CollectionDefinition, type CollectionName } from '../core/records.js'
import { definitionText, type Catalogue } from './catalogue.js'
import { readCatalogue } from './catalogue-reader.js'
import { readContents } from './contents.js'
import { diffRecords, type RecordsDiff } from './diff-records.js'
import type { BackupContents, BackupHead, CollectionEntry } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import type { Repository } from './repository.js'

export interface DiffJob {
  readonly repository: Repository
  readonly from: BackupHead
  readonly to: BackupHead
  /** Patterns `[[tenant/]database/]name`; empty or absent: every collection. */
  readonly collections?: readonly string[] | undefined
  readonly exclude?: readonly string[] | undefined
  /** Ids to give of each kind, for each collection; default 5. */
  readonly examples?: number | undefined
  readonly tempDir: string
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export interface BackupDiff {
  /** Ids of the backups. */
  readonly from: string
  readonly to: string
  readonly status: 'equal' | 'different'
  /** Sums over the collections that are in both. */
  readonly added: number
  readonly removed: number
  readonly changed: number
  /** Sorted by tenant, database and name; those without a difference too. */
  readonly collections: readonly CollectionDiff[]
}

export interface CollectionDiff extends CollectionName, RecordsDiff {
  /** `unknown`: one of the backups does not have it whole. */
  readonly status: 'equal' | 'changed' | 'added' | 'removed' | 'unknown'
  /** Its name in the first backup, if it was another: it is known by its id. */
  readonly renamedFrom: string | null
  /** Another collection of the same name: its id is not the same. */
  readonly recreated: boolean
  /** Records in each of them; null where it is not. */
  readonly before: number | null
  readonly after: number | null
  /** Which of `metadata`, `configuration`, `schema`, `dimension` are not the same. */
  readonly definition: readonly string[]
}

const NO_RECORDS: RecordsDiff = {
  added: 0,
  removed: 0,
  changed: 0,
  changedPayloads: 0,
  changedVectors: 0,
  examples: { added: [], removed: [], changed: [] },
}

/**
 * What changed between two backups, collection by collection, from their catalogues and index pages: vectors and
 * documents are not read. Of a backup of a selection, only what it was asked for is compared. Rejects with a UsageError
 * for physical backups, an ObjectDamagedError (13), an error of the store, or an AbortedError.
 */
export async function diffBackups(job: DiffJob): Promise<BackupDiff> {
  await mkdir(job.tempDir, { recursive: true })
  const [from, to] = await Promise.all([open(job, job.from), open(job, job.to)])
  const collections: CollectionDiff[] = []
  for (const pair of pairsOf(job, from.entries, to.entries)) {
    collections.push(await diffPair(job, from, to, pair))
  }
  collections.sort((a, b) => (displayName(a) < displayName(b) ? -1 : 1))
  const both = collections.filter(({ status }) => status === 'changed')
  return {
    from: job.from.id,
    to: job.to.id,
    status: collections.every(({ status }) => status === 'equal') ? 'equal' : 'different',
    added: both.reduce((sum, { added }) => sum + added, 0),
    removed: both.reduce((sum, { removed }) => sum + removed, 0),
    changed: both.reduce((sum, { changed }) => sum + changed, 0),
    collections,
  }
}

interface OpenedBackup {
  readonly reader: ObjectReader
  readonly contents: BackupContents
  readonly entries: readonly CollectionEntry[]
}

async function open({ repository, ...job }: DiffJob, head: BackupHead): Promise<OpenedBackup> {
  if (head.type === 'physical')
    throw new UsageError(`${head.id} is a physical backup: it holds files, not records`, {
      hint: 'compare backups of records; backup --type full makes one of a data directory, too',
    })
  const contents = await readContents(repository, head, job.signal)
  const selection = {
    include: (job.collections ?? []).map(parseCollectionPattern),
    exclude: (job.exclude ?? []).map(parseCollectionPattern),
  }
  const entries = selectCollections(contents.collections, selection)
  return {
    reader: new ObjectReader({ repository, backup: head.id, progress: job.progress }),
    contents,
    entries,
  }
}

interface Pair {
  readonly before: CollectionEntry | null
  readonly after: CollectionEntry | null
}

/** By id, then by name; what is in one of them only is told unless the other is one of a selection. */
function pairsOf(
  { from, to }: DiffJob,
  before: readonly CollectionEntry[],
  after: readonly CollectionEntry[],
): readonly Pair[] {
  const byId = new Map(before.map((entry) => [entry.id, entry]))
  const left = new Map(before.map((entry) => [displayName(entry), entry]))
  const partners = new Map<CollectionEntry, CollectionEntry>()
  for (const entry of after) {
    const partner = byId.get(entry.id)
    if (partner !== undefined && left.delete(displayName(partner))) partners.set(entry, partner)
  }
  const pairs = after.map((entry): Pair => {
    const partner = partners.get(entry) ?? left.get(displayName(entry)) ?? null
    if (partner !== null) left.delete(displayName(partner))
    return { before: partner, after: entry }
  })
  const removed = [...left.values()].map((entry): Pair => ({ before: entry, after: null }))
  return [...pairs, ...removed].filter(
    (pair) =>
      (pair.before !== null || from.type !== 'collection') &&
      (pair.after !== null || to.type !== 'collection'),
  )
}

async function diffPair(
  job: DiffJob,
  from: OpenedBackup,
  to: OpenedBackup,
  { before, after }: Pair,
): Promise<CollectionDiff> {
  const shown = after ?? before
  if (shown === null) throw new Error('a pair of nothing')
  const { tenant, database, name } = shown
  const renamed = before !== null && after !== null && displayName(before) !== displayName(after)
  const base = {
    tenant,
    database,
    name,
    renamedFrom: renamed ? displayName(before) : null,
    recreated: before !== null && after !== null && before.id !== after.id,
    before: before?.records ?? null,
    after: after?.records ?? null,
    definition: [],
    ...NO_RECORDS,
  }
  if (before === null || after === null) return { ...base, status: before === null ? 'added' : 'removed' }
  if (before.status === 'failed' || after.status === 'failed') return { ...base, status: 'unknown' }
  const catalogues = {
    before: await readCatalogue(from.reader, from.contents, before, job.signal),
    after: await readCatalogue(to.reader, to.contents, after, job.signal),
  }
  const definition = differingMembers(catalogues.before.definition, catalogues.after.definition)
  const records = await diffCatalogues(job, from, to, catalogues)
  const isEqual =
    definition.length + records.added + records.removed + records.changed === 0 && !renamed && !base.recreated
  return { ...base, ...records, definition, status: isEqual ? 'equal' : 'changed' }
}

async function diffCatalogues(
  { examples = 5, tempDir, progress, signal }: DiffJob,
  from: OpenedBackup,
  to: OpenedBackup,
  { before, after }: { readonly before: Catalogue; readonly after: Catalogue },
): Promise<RecordsDiff> {
  if (before.records === after.records && isSame(before, after)) return NO_RECORDS
  const task = displayName(after.definition)
  const total = after.records
  const diff = await diffRecords({
    before: {
      objects: from.reader,
      catalogue: before,
      purpose: { collection: displayName(before.definition), signal },
    },
    after: { objects: to.reader, catalogue: after, purpose: { collection: task, signal } },
    examples,
    tempDir,
    onRows: (done) => progress.update({ task, phase: 'compare', done, total, unit: 'records' }),
    signal,
  })
  progress.update({ task, phase: 'compare', done: total, total, unit: 'records', state: 'done' })
  return diff
}

function isSame(before: Catalogue, after: Catalogue): boolean {
  return before.digest.payload === after.digest.payload && before.digest.vectors === after.digest.vectors
}

const EMPTY: CollectionDefinition = {
  tenant: '',
  database: '',
  name: '',
  id: '',
  metadata: null,
  configuration: null,
  schema: null,
  dimension: null,
}

function differingMembers(before: CollectionDefinition, after: CollectionDefinition): readonly string[] {
  const members = {
    metadata: ({ metadata }: CollectionDefinition) => ({ ...EMPTY, metadata }),
    configuration: ({ configuration }: CollectionDefinition) => ({ ...EMPTY, configuration }),
    schema: ({ schema }: CollectionDefinition) => ({ ...EMPTY, schema }),
    dimension: ({ dimension }: CollectionDefinition) => ({ ...EMPTY, dimension }),
  }
  return Object.entries(members).flatMap(([member, only]) =>
    definitionText(only(before)) === definitionText(only(after)) ? [] : [member],
  )
}
