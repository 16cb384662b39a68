import type { ChromaApi } from '../chroma/api.js'
import { spaceOf } from '../chroma/space.js'
import { mapInOrder } from '../core/map-in-order.js'
import type { CollectionDefinition, Space } from '../core/records.js'
import { NearestDistances } from './nearest.js'
import type { SourceRecords } from './source-records.js'

/** Queries for the nearest records of sample vectors, against exact search. */
export interface ProbeFigures {
  readonly queries: number
  /** Share of the exact nearest records that the queries found, 0 to 1; null when there were no queries. */
  readonly recall: number | null
  /** Queries with fewer results than there are records: vectors are missing from the index. */
  readonly short: number
}

export interface ProbeJob {
  readonly api: ChromaApi
  /** As it is on the server. */
  readonly collection: CollectionDefinition
  /** What it was restored from; read twice. */
  readonly open: () => Promise<SourceRecords>
  readonly queries: number
  /** Nearest records asked for. */
  readonly neighbours: number
  readonly signal: AbortSignal | undefined
}

const IN_FLIGHT = 4

/** Asks the server for the records nearest to some of the source's vectors, and counts how many it finds. */
export async function probeQueries(job: ProbeJob): Promise<ProbeFigures> {
  const { api, collection, neighbours, signal } = job
  const samples = await sampleVectors(job)
  const exact = await searchExactly(job, samples)
  let [found, wanted, short] = [0, 0, 0]
  const answers = mapInOrder(
    each(exact),
    IN_FLIGHT,
    async ({ vector, distances }, workSignal) => ({
      distances,
      hits: await api.query(collection, { vector, limit: neighbours, withVectors: false }, workSignal),
    }),
    signal,
  )
  for await (const { distances, hits } of answers) {
    wanted += distances.length
    found += hits.filter((hit) => isAmong(hit.distance, distances)).length
    if (hits.length < distances.length) short++
  }
  return { queries: exact.length, recall: wanted === 0 ? null : found / wanted, short }
}

interface ExactAnswer {
  readonly vector: Float32Array
  /** Of the nearest records, ascending. */
  readonly distances: readonly number[]
}

/** Vectors spread evenly over the collection. */
async function sampleVectors({ open, queries, signal }: ProbeJob): Promise<readonly Float32Array[]> {
  const source = await open()
  const step = Math.max(1, Math.floor(source.expectedRecords / queries))
  const samples: Float32Array[] = []
  let row = 0
  for await (const { ids, dimension, embeddings } of source.batches(signal)) {
    for (let at = 0; at < ids.length; at++, row++)
      if (row % step === 0 && samples.length < queries)
        samples.push(embeddings.slice(at * dimension, (at + 1) * dimension))
    if (samples.length === queries) break
  }
  return samples
}

async function searchExactly(
  { open, neighbours, signal }: ProbeJob,
  samples: readonly Float32Array[],
): Promise<readonly ExactAnswer[]> {
  if (samples.length === 0) return []
  const source = await open()
  const space: Space = spaceOf(source.definition)
  const searches = samples.map((vector) => ({
    vector,
    nearest: new NearestDistances(space, vector, neighbours),
  }))
  for await (const batch of source.batches(signal)) for (const { nearest } of searches) nearest.show(batch)
  return searches.map(({ vector, nearest }) => ({ vector, distances: nearest.distances() }))
}

/** Records at the same distance are equally near. The server computes in float32. */
function isAmong(value: number | null, distances: readonly number[]): boolean {
  const furthest = distances.at(-1)
  if (value === null || furthest === undefined) return false
  return value <= furthest + 1e-5 + Math.abs(furthest) * 1e-4
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* items
}
