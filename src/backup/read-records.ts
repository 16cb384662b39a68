import type { RecordBatch } from '../core/records.js'
import type { RowGroup } from './catalogue.js'
import { DELETED, LayerEdits, OWN, placedGroups, type PlacedGroup, type RowFates } from './layer-edits.js'
import { isMissing, ReplacementRows, type ReplacementRow } from './replacement-rows.js'
import {
  BATCH_BYTES,
  fetchVectors,
  floatsOf,
  inconsistent,
  linesOf,
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

/** One row group of which some rows are replaced or deleted. */
async function* readMerged(merge: {
  readonly job: RowGroupReadJob
  readonly group: RowGroup
  readonly vectors: Buffer
  readonly fates: RowFates
  readonly replacements: readonly ReplacementRows[]
}): AsyncGenerator<RecordBatch> {
  const { job, group, fates, replacements } = merge
  const dimension = job.catalogue.definition.dimension ?? 0
  const floats = floatsOf(merge.vectors)
  const lines = hasOwn(fates) ? linesOf(job, group.payload) : null
  const maximumRows = rowsOfBatch(dimension)
  let rows: ReplacementRow[] = []
  let bytes = 0
  for (let row = 0; row < group.rows; row++) {
    const line = await lines?.next()
    if (line?.done === true) throw lacksRecords(job, group)
    const layer = fates.layers[row] ?? OWN
    if (layer === DELETED) continue
    const replacement = await replacements[layer - 1]?.take(fates.rows[row] ?? 0)
    const found = replacement ?? {
      payload: rowOf(job, group, line?.value ?? Buffer.alloc(0)),
      vector: floats.subarray(row * dimension, (row + 1) * dimension),
      isMissing: isMissing(group, row),
      bytes: line?.value.length ?? 0,
    }
    rows.push(found)
    bytes += found.bytes
    if (rows.length < maximumRows && bytes < BATCH_BYTES) continue
    yield batchOf(rows, dimension)
    rows = []
    bytes = 0
  }
  if (lines !== null && (await lines.next()).done !== true) throw lacksRecords(job, group)
  if (rows.length > 0) yield batchOf(rows, dimension)
}

function lacksRecords(job: RowGroupReadJob, group: RowGroup) {
  return inconsistent(job, group.payload, `does not have the ${group.rows} records of its row group`)
}

function batchOf(rows: readonly ReplacementRow[], dimension: number): RecordBatch {
  const embeddings = new Float32Array(rows.length * dimension)
  for (const [row, { vector }] of rows.entries()) embeddings.set(vector, row * dimension)
  return {
    ids: rows.map(({ payload }) => payload.id),
    dimension,
    embeddings,
    missingEmbeddings: rows.flatMap((each, row) => (each.isMissing ? [row] : [])),
    documents: rows.map(({ payload }) => payload.document),
    uris: rows.map(({ payload }) => payload.uri),
    metadatas: rows.map(({ payload }) => payload.metadata),
  }
}
