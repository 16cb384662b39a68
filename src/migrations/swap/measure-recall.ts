import type { ChromaApi } from '../../chroma/api.js'
import { mapInOrder } from '../../core/map-in-order.js'
import type { CollectionDefinition, RecordBatch, Space } from '../../core/records.js'

const IN_FLIGHT = 4
/** Among so many nearest a record must find itself, or others at the same place. */
const OWN_AMONG = 10
const SAME_PLACE = 1e-5

export interface RecallJob {
  readonly api: ChromaApi
  readonly source: CollectionDefinition
  readonly target: CollectionDefinition
  readonly neighbours: number
  readonly signal: AbortSignal
}

/**
 * The share of nearest records that the old and the new collection have in common, 0 to 1, for queries with
 * the vectors of the same records in each; null when there is nothing to ask for.
 */
export async function measureRecall(
  job: RecallJob,
  old: RecordBatch,
  fresh: RecordBatch,
): Promise<number | null> {
  const { api, source, target, neighbours, signal } = job
  const rows = new Map(fresh.ids.map((id, row) => [id, row]))
  const pairs = old.ids.flatMap((id, row) => {
    const other = rows.get(id)
    return other === undefined ? [] : [{ id, old: vectorAt(old, row), fresh: vectorAt(fresh, other) }]
  })
  const nearest = async (
    collection: CollectionDefinition,
    id: string,
    vector: Float32Array,
    workSignal: AbortSignal,
  ) => {
    const hits = await api.query(
      collection,
      { vector, limit: neighbours + 1, withVectors: false },
      workSignal,
    )
    return hits
      .map((hit) => hit.id)
      .filter((other) => other !== id)
      .slice(0, neighbours)
  }
  const answers = mapInOrder(
    each(pairs),
    IN_FLIGHT,
    async (pair, workSignal) => ({
      before: await nearest(source, pair.id, pair.old, workSignal),
      after: await nearest(target, pair.id, pair.fresh, workSignal),
    }),
    signal,
  )
  let [common, wanted] = [0, 0]
  for await (const { before, after } of answers) {
    const found = new Set(after)
    wanted += before.length
    common += before.filter((id) => found.has(id)).length
  }
  return wanted === 0 ? null : common / wanted
}

/** How many of these records a query with their own vector does not find: their vectors are not in the index. */
export async function countLostToQueries(
  job: Pick<RecallJob, 'api' | 'target' | 'signal'>,
  space: Space,
  records: RecordBatch,
): Promise<number> {
  // By the product of vectors a record need not be the nearest to itself.
  if (space === 'ip') return 0
  const rows = records.ids.map((_, row) => row).filter((row) => vectorAt(records, row).some((x) => x !== 0))
  const answers = mapInOrder(
    each(rows),
    IN_FLIGHT,
    async (row, workSignal) => ({
      id: records.ids[row] ?? '',
      hits: await job.api.query(
        job.target,
        { vector: vectorAt(records, row), limit: OWN_AMONG, withVectors: false },
        workSignal,
      ),
    }),
    job.signal,
  )
  let lost = 0
  for await (const { id, hits } of answers) {
    const furthest = hits.at(-1)?.distance ?? Infinity
    if (!hits.some((hit) => hit.id === id) && furthest > SAME_PLACE) lost++
  }
  return lost
}

function vectorAt({ embeddings, dimension }: RecordBatch, row: number): Float32Array {
  return embeddings.subarray(row * dimension, (row + 1) * dimension)
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* items
}
