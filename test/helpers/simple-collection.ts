import type { ChromaApi } from '../../src/chroma/api.js'
import type { CollectionDefinition, RecordBatch, Space } from '../../src/core/records.js'

/** A collection in the default database with records `id0`, `id1`, … of three numbers and a document each. */
export async function simpleCollection(
  api: ChromaApi,
  name: string,
  records: number,
  space: Space = 'l2',
): Promise<CollectionDefinition> {
  const definition = await api.createCollection({
    tenant: 'default_tenant',
    database: 'default_database',
    name,
    metadata: null,
    schema: null,
    configuration: new Map([['hnsw', new Map([['space', space]])]]),
  })
  if (records > 0) await api.add(definition, simpleRecords(0, records))
  return definition
}

export function simpleRecords(first: number, count: number): RecordBatch {
  const numbers = Array.from({ length: count }, (_, index) => first + index)
  return {
    ids: numbers.map((number) => `id${number}`),
    dimension: 3,
    embeddings: Float32Array.from(numbers.flatMap((number) => [number, 1, number % 7])),
    missingEmbeddings: [],
    documents: numbers.map((number) => `document ${number}`),
    uris: numbers.map(() => null),
    metadatas: numbers.map(() => null),
  }
}
