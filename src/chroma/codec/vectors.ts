import type { BodyCursor } from './body-cursor.js'
import { NO_NUMBER, readVectorRow } from './vector-row.js'

export interface Vectors {
  /** 0 when there are no vectors at all. */
  readonly dimension: number
  /** Rows × dimension; missing rows are zero. */
  readonly floats: Float32Array
  /** Rows that are null or hold a null, ascending. */
  readonly missing: readonly number[]
}

/** Reads the array of `rows` arrays of numbers that is next. */
export function readVectors(cursor: BodyCursor, rows: number): Vectors {
  const start = cursor.at
  const dimension = firstLength(cursor)
  cursor.at = start
  // Not zeroed: each row is written, with zeros if it is missing.
  const floats = new Float32Array(Buffer.allocUnsafeSlow(4 * rows * dimension).buffer)
  const missing: number[] = []
  let row = 0
  cursor.elements(() => {
    if (row >= rows) cursor.fail('more embeddings than ids')
    if (!readRow(cursor, floats, row, dimension)) missing.push(row)
    row++
  })
  if (row < rows) cursor.fail('fewer embeddings than ids')
  return { dimension, floats, missing }
}

/** False when the vector is missing. */
function readRow(cursor: BodyCursor, floats: Float32Array, row: number, dimension: number): boolean {
  const from = row * dimension
  if (cursor.takeNull()) {
    floats.fill(0, from, from + dimension)
    return false
  }
  cursor.expect('[')
  const start = cursor.at
  const end =
    dimension === 0 ? NO_NUMBER : readVectorRow(cursor.bytes, cursor.view, start, floats, from, dimension)
  if (end !== NO_NUMBER) {
    cursor.at = end
    return true
  }
  // Something is wrong with the row: a null in place of a number, or it is garbled.
  cursor.at = start - 1
  let nulls = 0
  let length = 0
  cursor.elements(() => {
    length++
    if (cursor.takeNull()) nulls++
    else cursor.number()
  })
  if (length !== dimension) cursor.fail(`a vector of ${length} numbers instead of ${dimension}`)
  if (nulls === 0) cursor.fail('a number beyond float32')
  floats.fill(0, from, from + dimension)
  return false
}

/** How many elements the first vector has that is there; 0 when none is. */
function firstLength(cursor: BodyCursor): number {
  let length = 0
  cursor.expect('[')
  if (cursor.take(']')) return 0
  do {
    if (cursor.takeNull()) continue
    cursor.elements(() => {
      length++
      if (!cursor.takeNull()) cursor.number()
    })
    return length
  } while (cursor.take(','))
  return 0
}
