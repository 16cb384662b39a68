import type { Buffer } from 'node:buffer'

import { doubleText, isJsonArray, type JsonValue } from '../../core/json.js'
import { arrayOf, decodeJson, memberOf } from '../answers.js'
import { ChromaGarbledAnswerError } from '../errors.js'

/** One vector whose nearest records are wanted. */
export interface VectorQuery {
  readonly vector: Float32Array
  /** How many records at most. */
  readonly limit: number
  /** Whether the hits carry their vectors. */
  readonly withVectors: boolean
}

export interface QueryHit {
  readonly id: string
  /** In the collection's space: squared for l2, 1 - cosine, 1 - product. Null when it is not finite. */
  readonly distance: number | null
  /** Null when it was not asked for. */
  readonly vector: Float32Array | null
}

export function queryBody({ vector, limit, withVectors }: VectorQuery): string {
  const include = withVectors ? '["distances","embeddings"]' : '["distances"]'
  const numbers = Array.from(vector, doubleText).join(',')
  return `{"query_embeddings":[[${numbers}]],"n_results":${limit},"include":${include}}`
}

/** Throws {@link ChromaGarbledAnswerError}. */
export function readQueryAnswer(body: Buffer): QueryHit[] {
  const json = decodeJson(body)
  const ids = firstOf(memberOf(json, 'ids'))
  const distances = firstOf(memberOf(json, 'distances'))
  const embeddings = memberOf(json, 'embeddings')
  const vectors = embeddings === null ? null : firstOf(embeddings)
  return ids.map((id, index) => {
    if (typeof id !== 'string') throw new ChromaGarbledAnswerError('an id in the answer is not text')
    const vector = vectors?.[index] ?? null
    return { id, distance: numberOrNull(distances[index]), vector: vector === null ? null : floatsOf(vector) }
  })
}

function firstOf(json: JsonValue): readonly JsonValue[] {
  return arrayOf(arrayOf(json)[0] ?? null)
}

function numberOrNull(json: JsonValue | undefined): number | null {
  return typeof json === 'number' || typeof json === 'bigint' ? Number(json) : null
}

function floatsOf(json: JsonValue): Float32Array {
  return isJsonArray(json)
    ? Float32Array.from(json, (item) => numberOrNull(item) ?? NaN)
    : new Float32Array(0)
}
