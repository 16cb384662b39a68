import type { RecordBatch } from '../core/records.js'
import type { RowGroup } from './catalogue.js'
import { DELETED, LayerEdits, OWN, placedGroups, type PlacedGroup, type RowFates } from './layer-edits.js'
import { MergedBatch } from './merged-batch.js'
import { isMissing, ReplacementRows } from './replacement-rows.js'
import {
  BATCH_BYTES,
  fetchVectors,
  floatsOf,
  lacksRecords,
  Lines,
  readRowGroup,
  rowOf,
  rowsOfBatch,
  type RowGroupReadJob,
} from './row-group-reader.js'

/**
 * The records of a collection, in order: base and layers as one. What a later layer replaces or deletes is not
 * decoded; the next row group is fetched while one is used.
 */
export async function* readRecords(job: RowGroupReadJob): AsyncGenerator<RecordBatch> {
  const { layers } = job.catalogue
  const edits = layers.length === 0 ? null : await LayerEdits.read(job)
  const replacements = layers.map((layer) => new ReplacementRows(job, layer.replacements))
  const fatesOf = (placed: PlacedGroup) => edits?.of(placed) ?? null
  const groups = placedGroups(job.catalogue).filter((placed) => !isGone(fatesOf(placed)))
  const fetched = (placed: PlacedGroup | undefined) =>
    placed !== undefined && hasOwn(fatesOf(placed)) ? fetchVectors(job, placed.group) : null
  let next = fetched(groups[0])
  for (const [index, placed] of groups.entries()) {
    const vectors = await (next ?? Buffer.alloc(0))
    next = fetched(groups[index + 1])
    const fates = fatesOf(placed)
    if (fates === null) yield* readRowGroup(job, placed.group, vectors)
    else yield* readMerged({ job, group: placed.group, vectors, fates, replacements })
  }
}

function isGone(fates: RowFates | null): boolean {
  return fates?.layers.every((layer) => layer === DELETED) ?? false
}

function hasOwn(fates: RowFates | null): boolean {
  return fates?.layers.includes(OWN) ?? true
}

interface Merge {
  readonly job: RowGroupReadJob
  readonly group: RowGroup
  readonly vectors: Buffer
  readonly fates: RowFates
  readonly replacements: readonly ReplacementRows[]
}

/** One row group of which some rows are replaced or deleted. */
async function* readMerged(merge: Merge): AsyncGenerator<RecordBatch> {
  const { job, group, fates, replacements } = merge
  const dimension = job.catalogue.definition.dimension ?? 0
  const batch = new MergedBatch(dimension, ownVectors(merge, dimension))
  const lines = hasOwn(fates) ? new Lines(job, group.payload) : null
  for (let row = 0; row < group.rows; row++) {
    const line = lines === null ? null : (lines.take() ?? (await lines.next()))
    if (line === undefined) throw lacksRecords(job, group)
    const layer = fates.layers[row] ?? OWN
    if (layer === DELETED) continue
    const replacement = replacements[layer - 1]
    if (replacement !== undefined) batch.add(await replacement.take(fates.rows[row] ?? 0))
    else if (line !== null) batch.addOwn(row, rowOf(job, group, line), isMissing(group, row), line.length)
    if (batch.rows < rowsOfBatch(dimension) && batch.bytes < BATCH_BYTES) continue
    yield batch.end()
  }
  if (lines !== null && (await lines.next()) !== undefined) throw lacksRecords(job, group)
  if (batch.rows > 0) yield batch.end()
}

/** Memory for the vectors of the result, with those of the group in it. */
function ownVectors({ job, group, vectors, fates }: Merge, dimension: number): Float32Array {
  if (!hasOwn(fates)) return new Float32Array(group.rows * dimension)
  const floats = floatsOf(vectors)
  return isPrivate(job, group) ? floats : floats.slice()
}

/** What is not a whole object is a piece of one that others may read, too. */
function isPrivate({ catalogue }: RowGroupReadJob, { vectors }: RowGroup): boolean {
  const [first] = vectors
  if (vectors.length !== 1 || first === undefined) return vectors.length > 1
  const [object, offset, length] = first
  return offset === 0 && length === catalogue.objects[object]?.length
}
