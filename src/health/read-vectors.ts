import { ChromaServerError } from '../chroma/errors.js'
import type { RecordBatch } from '../core/records.js'
import { ask, CheckFailed, type CollectionProbe } from './ask.js'

/** What became of the vectors of some records. */
export interface VectorsRead {
  readonly checked: number
  /** Proven one by one. */
  readonly lost: readonly string[]
  /** In requests that failed as a whole and were not taken apart any more. */
  readonly undecided: number
  /** One that is there, to ask a query with. */
  readonly example: Float32Array | null
  /** Of the first request that succeeded. */
  readonly ms: number | null
}

export const nothingRead: VectorsRead = { checked: 0, lost: [], undecided: 0, example: null, ms: null }

/**
 * Reads vectors back by id, which alone proves that they are there. One lost vector makes the server refuse
 * a whole request, so a request that fails is halved until single ids are left, as long as `failures.left`
 * is above zero. Ids that were deleted meanwhile do not count. Rejects like {@link ask}.
 */
export async function readVectors(
  probe: CollectionProbe,
  ids: readonly string[],
  failures: { left: number },
): Promise<VectorsRead> {
  if (ids.length === 0) return nothingRead
  const { api, collection } = probe
  try {
    const read = await ask(probe, 'reading vectors back', (signal) =>
      api.get(collection, { ids, include: ['embeddings'] }, signal),
    )
    return whatIsThere(read.value, read.ms)
  } catch (error) {
    if (!(error instanceof CheckFailed) || !saysVectorLost(error.cause)) throw error
    failures.left--
    if (ids.length === 1) return { ...nothingRead, checked: 1, lost: ids }
    if (failures.left <= 0) return { ...nothingRead, checked: ids.length, undecided: ids.length }
    const middle = ids.length >> 1
    const first = await readVectors(probe, ids.slice(0, middle), failures)
    return merged(first, await readVectors(probe, ids.slice(middle), failures))
  }
}

export function merged(a: VectorsRead, b: VectorsRead): VectorsRead {
  return {
    checked: a.checked + b.checked,
    lost: [...a.lost, ...b.lost],
    undecided: a.undecided + b.undecided,
    example: a.example ?? b.example,
    ms: a.ms ?? b.ms,
  }
}

/** The server names neither the record nor the reason; these texts are about single records. */
function saysVectorLost(error: unknown): boolean {
  return (
    error instanceof ChromaServerError &&
    (error.finding === 'VECTOR_MISSING' || error.finding === 'HNSW_DIVERGED')
  )
}

function whatIsThere(
  { ids, dimension, embeddings, missingEmbeddings }: RecordBatch,
  ms: number,
): VectorsRead {
  const missing = new Set(missingEmbeddings)
  const present = ids.findIndex((_, row) => !missing.has(row))
  return {
    checked: ids.length,
    lost: ids.filter((_, row) => missing.has(row)),
    undecided: 0,
    example: present < 0 ? null : embeddings.slice(present * dimension, (present + 1) * dimension),
    ms,
  }
}
