import type { CollectionDefinition } from '../../core/records.js'
import type { CollectionFacts } from '../../datadir/inspect-collection.js'
import type { IndexProblemKind } from '../../datadir/inspect-index.js'
import type { DirectoryFindingId, Observation } from './catalogue.js'
import { countText, examplesText } from './figures.js'

const PROBLEMS: Record<IndexProblemKind, DirectoryFindingId> = {
  missing: 'INDEX_MISSING',
  'file missing': 'INDEX_FILE_MISSING',
  'metadata damaged': 'INDEX_METADATA_DAMAGED',
  'header damaged': 'INDEX_HEADER_DAMAGED',
  torn: 'INDEX_TORN',
  'links damaged': 'LINK_LISTS_DAMAGED',
  'links bloated': 'LINK_LISTS_BLOATED',
  'labels collide': 'INDEX_LABELS_COLLIDE',
  'not finite': 'VECTORS_NOT_FINITE',
}

/** Saved again after so many writes; more than this many times that have not been saved since. */
const LATE = 3
const LATE_ROWS = 10_000

/** What the facts about a collection mean; null: it was changing all the time. */
export function collectionObservations(
  collection: CollectionDefinition,
  facts: CollectionFacts | null,
): readonly Observation[] {
  if (facts === null)
    return [{ id: 'INDEX_CHANGING', collection, evidence: 'its files changed each time they were read' }]
  const { index, records, missingSegments } = facts
  const observations: Observation[] = index.problems.map(({ kind, text }) => ({
    id: PROBLEMS[kind],
    collection,
    evidence: text,
  }))
  const add = (id: DirectoryFindingId, evidence: string) => observations.push({ id, collection, evidence })
  if (missingSegments.length > 0)
    add('COLLECTION_INCOMPLETE', `it has no segment ${missingSegments.join(' and ')}`)
  const { header } = index
  if (header !== null && collection.dimension !== null && header.dimension !== collection.dimension)
    add(
      'DIMENSION_DIFFERS',
      `${header.dimension} numbers in a vector of the index, ${collection.dimension} by the collection`,
    )
  const { lost, lostIds, surplus, surplusIds, strays, blocked } = records
  if (lost > 0)
    add('VECTORS_LOST', `${lost} of ${countText(records.records, 'record')}: ${examplesText(lostIds, lost)}`)
  if (surplus > 0)
    add('VECTORS_WITHOUT_RECORD', `${countText(surplus, 'id')}: ${examplesText(surplusIds, surplus)}`)
  if (strays > 0)
    add('INDEX_LABELS_DIFFER', `${countText(strays, 'vector')} without an id among ${index.labels.live}`)
  if (blocked !== null)
    add('REPLAY_BLOCKED', `row ${blocked.seqId} of ${JSON.stringify(blocked.id)}: ${blocked.why}`)
  const late = Math.max(facts.syncThreshold * LATE, LATE_ROWS)
  if (records.vectorsInLog > late)
    add(
      'LOG_NOT_APPLIED',
      `${records.vectorsInLog} vectors are only in the log; the index is saved after ${facts.syncThreshold}`,
    )
  return observations
}
