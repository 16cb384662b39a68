import type { RecordBatch } from './records.js'

/**
 * The records of several batches as one, in the order of the batches. A batch of dimension 0 (nothing but
 * missing vectors) takes the dimension of the others, or `dimension` when there is none. Throws a RangeError
 * when the others differ.
 */
export function concatBatches(batches: readonly RecordBatch[], dimension = 0): RecordBatch {
  const dimensions = new Set(batches.flatMap((batch) => (batch.dimension === 0 ? [] : [batch.dimension])))
  if (dimensions.size > 1) throw new RangeError(`vectors of ${[...dimensions].join(' and ')} numbers`)
  const [width = dimension] = dimensions
  const [only] = batches
  if (batches.length === 1 && only?.dimension === width) return only
  const rows = batches.reduce((sum, { ids }) => sum + ids.length, 0)
  const embeddings = new Float32Array(rows * width)
  const missingEmbeddings: number[] = []
  let row = 0
  for (const batch of batches) {
    if (batch.dimension === width) embeddings.set(batch.embeddings, row * width)
    for (const missing of batch.missingEmbeddings) missingEmbeddings.push(row + missing)
    row += batch.ids.length
  }
  return {
    ids: batches.flatMap(({ ids }) => ids),
    dimension: width,
    embeddings,
    missingEmbeddings,
    documents: batches.flatMap(({ documents }) => documents),
    uris: batches.flatMap(({ uris }) => uris),
    metadatas: batches.flatMap(({ metadatas }) => metadatas),
  }
}
