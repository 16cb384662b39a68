import { stringifyJson } from '../../src/core/json.js'
import { metadataToJson } from '../../src/core/metadata-json.js'
import type { RecordBatch } from '../../src/core/records.js'

/** The answer of a server that holds this batch to a `get` with every column. */
export function getAnswerText(batch: RecordBatch): string {
  const missing = new Set(batch.missingEmbeddings)
  const vectors = batch.ids.map((_, row) => {
    const vector = batch.embeddings.subarray(row * batch.dimension, (row + 1) * batch.dimension)
    return missing.has(row) ? 'null' : `[${Array.from(vector, float32Text).join(',')}]`
  })
  const metadatas = batch.metadatas.map((metadata) =>
    metadata === null ? 'null' : stringifyJson(metadataToJson(metadata)),
  )
  return `{"ids":${JSON.stringify(batch.ids)},"embeddings":[${vectors.join(',')}],"documents":${JSON.stringify(batch.documents)},"uris":${JSON.stringify(batch.uris)},"metadatas":[${metadatas.join(',')}],"include":["embeddings","documents","uris","metadatas"]}`
}

/** The shortest text that is nearest to this float32, with a point or an exponent, as the server writes it. */
export function float32Text(value: number): string {
  if (Object.is(value, -0)) return '-0.0'
  for (let digits = 1; digits <= 9; digits++) {
    const number = Number(value.toPrecision(digits))
    if (Math.fround(number) !== value) continue
    const text = String(number)
    return /[.e]/.test(text) ? text : `${text}.0`
  }
  return String(value)
}
