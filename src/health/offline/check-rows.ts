import type { CollectionName } from '../../core/records.js'
import type { CollectionLog, LogFacts } from '../../datadir/inspect-log.js'
import type { FullTextFacts } from '../../datadir/inspect-values.js'
import type { OrphanKind, OrphanRows } from '../../datadir/inspect-orphans.js'
import type { SegmentPosition } from '../../datadir/inspect-sequence.js'
import type { DirectoryFindingId, Observation } from './catalogue.js'
import { bytesText, countText, examplesText } from './figures.js'

const ORPHANS: Record<OrphanKind, DirectoryFindingId> = {
  segments: 'ORPHAN_SEGMENTS',
  collections: 'ORPHAN_COLLECTIONS',
  databases: 'ORPHAN_DATABASES',
  records: 'ORPHAN_RECORDS',
  metadata: 'ORPHAN_RECORDS',
  arrays: 'ORPHAN_ARRAYS',
  documents: 'ORPHAN_RECORDS',
  'collection metadata': 'ORPHAN_RECORDS',
  'segment metadata': 'ORPHAN_RECORDS',
  'sequence numbers': 'ORPHAN_RECORDS',
  log: 'ORPHAN_LOG_ROWS',
}

/** One observation for each kind of finding, however many tables it shows in. */
export function orphanObservations(found: readonly OrphanRows[]): readonly Observation[] {
  const texts = new Map<DirectoryFindingId, string[]>()
  for (const { kind, rows, examples } of found) {
    const id = ORPHANS[kind]
    const text = `${countText(rows, 'row')} of ${kind}: ${examplesText(examples, rows)}`
    texts.set(id, [...(texts.get(id) ?? []), text])
  }
  return [...texts].map(([id, lines]) => ({ id, evidence: lines.join('; ') }))
}

/** Fewer are what a server leaves between two purges. */
const MANY_ROWS = 1_000
const MANY_BYTES = 16 * 1024 * 1024
/** Above any number that a log could have reached: a value that was never a number. */
const IMPOSSIBLE = 2n ** 53n

export function logObservations(job: {
  readonly log: LogFacts
  readonly positions: readonly SegmentPosition[]
  /** Migrated to integers: metadb/00005. */
  readonly integers: boolean
  readonly nameOf: (collectionId: string) => CollectionName | null
}): readonly Observation[] {
  const { log, nameOf } = job
  return [
    ...unpurged(log),
    ...[...log.collections].flatMap(([id, of]) => ofCollection(of, nameOf(id))),
    ...ofPositions(job),
  ]
}

function unpurged({ collections, purges }: LogFacts): Observation[] {
  const all = [...collections.values()]
  const rows = all.reduce((sum, { purgeable }) => sum + purgeable, 0)
  const bytes = all.reduce((sum, { purgeableBytes }) => sum + purgeableBytes, 0)
  const isMuch = rows > MANY_ROWS || bytes > MANY_BYTES
  if (!isMuch && (purges !== false || rows === 0)) return []
  const why = purges === false ? '; automatic purging is off' : ''
  return [
    {
      id: 'LOG_UNPURGED',
      evidence: `${countText(rows, 'row')} with ${bytesText(bytes)} could be purged${why}`,
      severity: isMuch ? 'warning' : 'info',
    },
  ]
}

function ofCollection(
  { poison, invisible }: CollectionLog,
  collection: CollectionName | null,
): Observation[] {
  const observations: Observation[] = []
  const [first] = poison
  // Nobody reads the log of a collection that is gone.
  if (first !== undefined && collection !== null)
    observations.push({
      id: 'LOG_POISONED',
      collection,
      evidence: `${countText(poison.length, 'row')}, first number ${first.seqId} of ${JSON.stringify(first.id)}: ${first.why}`,
    })
  if (invisible > 0 && collection !== null)
    observations.push({
      id: 'WRITES_INVISIBLE',
      collection,
      evidence: `${countText(invisible, 'write')} ${invisible === 1 ? 'is' : 'are'} in the log and not in the tables`,
    })
  return observations
}

function ofPositions({
  log,
  positions,
  integers,
  nameOf,
}: Parameters<typeof logObservations>[0]): Observation[] {
  const newest = log.newest ?? 0n
  return positions.flatMap(({ collection: id, scope, seqId, storedAs }): Observation[] => {
    const collection = nameOf(id)
    const which = scope === 'VECTOR' ? 'vector index' : 'tables'
    if (seqId === null || seqId < 0n || seqId >= IMPOSSIBLE) {
      const evidence = `the position of its ${which} is ${seqId?.toString() ?? `a value of type ${storedAs}`}`
      return [{ id: 'POSITION_POISONED', collection, evidence }]
    }
    if (integers && storedAs === 'blob')
      return [
        { id: 'POSITION_NOT_CONVERTED', collection, evidence: `the position of its ${which} is a BLOB` },
      ]
    if (seqId <= newest) return []
    const evidence = `its ${which} have seen row ${seqId}, and the newest row of the log is ${newest}`
    return [{ id: 'LOG_BEHIND', collection, evidence }]
  })
}

export function fullTextObservations(facts: FullTextFacts): readonly Observation[] {
  const { missingTables, missing, different, surplus, withNul } = facts
  if (missingTables.length > 0)
    return [{ id: 'FTS_TABLES_MISSING', evidence: `there is no ${missingTables.join(', ')}` }]
  const observations: Observation[] = []
  const differences = [
    [missing, 'not indexed'],
    [different, 'indexed in another wording'],
    [surplus, 'indexed though the record has none'],
  ] as const
  if (missing + different + surplus > 0) {
    const texts = differences.filter(([count]) => count > 0).map(([count, text]) => `${count} ${text}`)
    observations.push({ id: 'FTS_DIFFERS', evidence: `documents: ${texts.join(', ')}` })
  }
  if (withNul > 0)
    observations.push({ id: 'DOCUMENT_WITH_NUL', evidence: countText(withNul, 'document') + ' with it' })
  return observations
}
