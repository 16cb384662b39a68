import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'

import { isErrno, throwIfAborted } from '../core/errors.js'
import { PickleError } from './errors.js'
import { IdTable } from './id-table.js'
import { IndexPickleParser, type IndexPickleFields } from './pickle.js'
import type { LabelledId } from './write-index-pickle.js'

/** The labels of the records of an index, without the ids themselves. */
export interface IndexLabels extends IndexPickleFields {
  readonly labels: IdTable
  /** Of the labels; 0 when there is none. */
  readonly highest: number
}

const PIECE = 1024 * 1024
const ATTEMPTS = 3

/**
 * An index pickle of any size, with 16 bytes of memory a record. Null when there is no such file. Rejects with
 * {@link PickleError}.
 */
export async function readIndexPickle(file: string, signal?: AbortSignal): Promise<IndexLabels | null> {
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { pairs, ...index } = await readOnce(file, signal)
      // Two ids with the same hash: another table has another one.
      if (index.labels.size === pairs) return index
    }
    throw new PickleError(`${file} names a record twice`)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}

async function readOnce(
  file: string,
  signal: AbortSignal | undefined,
): Promise<IndexLabels & { pairs: number }> {
  // A record takes 20 bytes beside its id in each of the two dicts.
  const labels = new IdTable(Math.ceil((await stat(file)).size / 64))
  let [pairs, highest] = [0, 0]
  const parser = new IndexPickleParser((bytes, from, to, label) => {
    labels.set(bytes, from, to, label)
    pairs++
    if (label > highest) highest = label
  })
  for await (const piece of createReadStream(file, { highWaterMark: PIECE })) {
    throwIfAborted(signal)
    if (piece instanceof Uint8Array) parser.push(piece)
  }
  return { ...parser.end(), labels, highest, pairs }
}

/** The ids of an index pickle, piece by piece. Rejects with {@link PickleError}. */
export async function* idsOfPickle(file: string, signal?: AbortSignal): AsyncGenerator<string> {
  for await (const labels of labelsOfPickle(file, signal)) for (const [id] of labels) yield id
}

/** The ids of an index pickle with their labels, piece by piece. Rejects with {@link PickleError}. */
export async function* labelsOfPickle(
  file: string,
  signal?: AbortSignal,
): AsyncGenerator<readonly LabelledId[]> {
  let labels: LabelledId[] = []
  const parser = new IndexPickleParser((bytes, from, to, label) => {
    const id = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', from, to)
    labels.push([id, label])
  })
  for await (const piece of createReadStream(file, { highWaterMark: PIECE })) {
    throwIfAborted(signal)
    if (piece instanceof Uint8Array) parser.push(piece)
    yield labels
    labels = []
  }
}

/** What the pickle says beside the ids; null when there is no such file. Rejects with {@link PickleError}. */
export async function fieldsOfPickle(file: string): Promise<IndexPickleFields | null> {
  const parser = new IndexPickleParser(() => {})
  try {
    for await (const piece of createReadStream(file, { highWaterMark: PIECE }))
      if (piece instanceof Uint8Array) parser.push(piece)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
  return parser.end()
}
