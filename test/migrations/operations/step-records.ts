import type { ChromaApi } from '../../../src/chroma/api.js'
import { serverLookup } from '../../../src/chroma/server-lookup.js'
import type { Metadata, MetadataValue } from '../../../src/core/metadata.js'
import type { RecordBatch } from '../../../src/core/records.js'
import { home } from '../../helpers/api-for-suite.js'

/** Every type of value, on every third record; some without metadata, document or URI. */
export function typedBatch(count: number, { dimension = 4, prefix = 'id' } = {}): RecordBatch {
  const numbers = Array.from({ length: count }, (_, at) => at)
  return {
    ids: numbers.map((at) => `${prefix}-${at}`),
    dimension,
    embeddings: Float32Array.from(numbers.flatMap((at) => vectorOf(at, dimension))),
    missingEmbeddings: [],
    documents: numbers.map((at) => (at % 7 === 0 ? null : at % 5 === 0 ? '' : `text ${at} ä`)),
    uris: numbers.map((at) => (at % 4 === 0 ? `file:///${at}` : null)),
    metadatas: numbers.map((at) => (at % 3 === 1 ? null : metadataOf(at))),
  }
}

function vectorOf(at: number, dimension: number): number[] {
  return Array.from({ length: dimension }, (_, place) => Math.fround(Math.sin(at * 7 + place * 3) + 0.1))
}

function metadataOf(at: number): Metadata {
  return new Map<string, MetadataValue>([
    ['flag', at % 2 === 0],
    ['int', BigInt(at)],
    ['whole double', 1],
    ['double', 0.5 + at],
    ['beyond', 9007199254740993n],
    ['text', ''],
    ['texts', ['a', `b${at}`]],
    ['ints', [1n, 2n]],
    ['doubles', [1, 2.5]],
    ['old', 'to be removed'],
  ])
}

/** Every record of a collection, in the order of its ids. */
export async function contentOf(api: ChromaApi, name: string): Promise<RecordBatch> {
  const collection = await api.getCollection({ ...home, name })
  const lookup = serverLookup(api, collection)
  const ids: string[] = []
  for await (const some of lookup.listIds()) ids.push(...some)
  return lookup.fetch(ids.sort())
}

export async function names(api: ChromaApi): Promise<string[]> {
  const all = await api.listCollections(home.tenant, home.database)
  return all.map(({ name }) => name).sort()
}

export async function dropAll(api: ChromaApi): Promise<void> {
  for (const collection of await api.listCollections(home.tenant, home.database))
    await api.deleteCollection(collection)
}
