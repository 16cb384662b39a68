import { stringifyJson, type JsonValue } from '../../src/core/json.js'
import { metadataToJson } from '../../src/core/metadata-json.js'
import type { CollectionDefinition, RecordBatch, RecordSource } from '../../src/core/records.js'

/**
 * Everything that a source holds as lossless JSON text, one record per line; vectors are the hexadecimal
 * bytes of their floats. Equal texts mean equal sources.
 */
export async function truthOf(source: RecordSource): Promise<string> {
  const lines: string[] = []
  for (const definition of await source.listCollections()) {
    lines.push(stringifyJson(definitionToJson(definition)))
    const reader = await source.openCollection(definition)
    for await (const batch of reader.batches()) {
      for (const row of batch.ids.keys()) lines.push(stringifyJson(recordToJson(batch, row)))
    }
  }
  return lines.map((line) => `${line}\n`).join('')
}

function definitionToJson(definition: CollectionDefinition): JsonValue {
  const { tenant, database, name, id, metadata, configuration, schema, dimension } = definition
  return new Map<string, JsonValue>([
    ['collection', `${tenant}/${database}/${name}`],
    ['id', id],
    ['metadata', metadata && metadataToJson(metadata)],
    ['configuration', configuration],
    ['schema', schema],
    ['dimension', dimension === null ? null : BigInt(dimension)],
  ])
}

function recordToJson(batch: RecordBatch, row: number): JsonValue {
  const { dimension } = batch
  const metadata = batch.metadatas[row] ?? null
  const floats = batch.embeddings.slice(row * dimension, (row + 1) * dimension)
  return new Map<string, JsonValue>([
    ['id', batch.ids[row] ?? ''],
    ['document', batch.documents[row] ?? null],
    ['uri', batch.uris[row] ?? null],
    ['metadata', metadata && metadataToJson(metadata)],
    ['vector', batch.missingEmbeddings.includes(row) ? null : Buffer.from(floats.buffer).toString('hex')],
  ])
}
