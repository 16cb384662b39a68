import type { RecordBatch } from './records.js'

/** The rows `from` (inclusive) to `to` (exclusive) of a batch; the vectors are shared, not copied. */
export function sliceRows(batch: RecordBatch, from: number, to: number): RecordBatch {
  if (from === 0 && to >= batch.ids.length) return batch
  return {
    ids: batch.ids.slice(from, to),
    dimension: batch.dimension,
    embeddings: batch.embeddings.subarray(from * batch.dimension, to * batch.dimension),
    missingEmbeddings: batch.missingEmbeddings
      .filter((row) => row >= from && row < to)
      .map((row) => row - from),
    documents: batch.documents.slice(from, to),
    uris: batch.uris.slice(from, to),
    metadatas: batch.metadatas.slice(from, to),
  }
}

/** The given rows, in the given order, as a batch of its own. */
export function pickRows(batch: RecordBatch, rows: readonly number[]): RecordBatch {
  const { dimension } = batch
  const embeddings = new Float32Array(rows.length * dimension)
  const missing = new Set(batch.missingEmbeddings)
  rows.forEach((row, at) => {
    embeddings.set(batch.embeddings.subarray(row * dimension, (row + 1) * dimension), at * dimension)
  })
  return {
    ids: rows.map((row) => batch.ids[row] ?? ''),
    dimension,
    embeddings,
    missingEmbeddings: rows.flatMap((row, at) => (missing.has(row) ? [at] : [])),
    documents: rows.map((row) => batch.documents[row] ?? null),
    uris: rows.map((row) => batch.uris[row] ?? null),
    metadatas: rows.map((row) => batch.metadatas[row] ?? null),
  }
}

/** The batch without the rows whose vector is missing; the same batch when there are none. */
export function withVectors(batch: RecordBatch): RecordBatch {
  if (batch.missingEmbeddings.length === 0) return batch
  const missing = new Set(batch.missingEmbeddings)
  return pickRows(
    batch,
    batch.ids.flatMap((_, row) => (missing.has(row) ? [] : [row])),
  )
}

/**
 * Pieces of a batch whose records, as JSON, take about `bytes` each (at least one record). An estimate:
 * a float counts 12 bytes.
 */
export function* piecesOf(batch: RecordBatch, bytes: number): Generator<RecordBatch, void, undefined> {
  let from = 0
  let size = 0
  for (let row = 0; row < batch.ids.length; row++) {
    const added = jsonBytesOf(batch, row)
    if (row > from && size + added > bytes) {
      yield sliceRows(batch, from, row)
      from = row
      size = 0
    }
    size += added
  }
  if (from < batch.ids.length) yield sliceRows(batch, from, batch.ids.length)
}

function jsonBytesOf(batch: RecordBatch, row: number): number {
  let bytes = 64 + batch.dimension * 12
  bytes += batch.ids[row]?.length ?? 0
  bytes += batch.documents[row]?.length ?? 0
  bytes += batch.uris[row]?.length ?? 0
  for (const [key, value] of batch.metadatas[row] ?? [])
    bytes += key.length + 24 + (typeof value === 'string' ? value.length : 0)
  return bytes
}
