import { mapInOrder } from '../core/map-in-order.js'
import { concatBatches } from '../core/concat-batches.js'
import type { CollectionDefinition, RecordBatch } from '../core/records.js'
import type { ChromaApi } from './api.js'
import { BatchSizer } from './batch-sizer.js'
import { PayloadTooLargeError } from './errors.js'
import { RecordFetcher } from './fetch-records.js'
import { IdSpool } from './id-spool.js'
import { withListing, type ListJob } from './list-windows.js'

export interface ReadByIdsJob {
  readonly api: ChromaApi
  readonly collection: CollectionDefinition
  /** False: documents, URIs and metadata alone, which takes a fraction of the time. */
  readonly vectors: boolean
  /** Requests in flight. */
  readonly concurrency: number
  readonly signal: AbortSignal | undefined
}

/** Size of an answer to aim at. */
const ANSWER_BYTES = 4_000_000
/** An answer may be so many times as large; long documents come as a surprise. */
const SURPRISE = 4
/** Ids per listing request. */
const WINDOW = 1_000_000

/**
 * The records with these ids; those that are not there are left out. In this order, or without vectors, within an
 * answer, in the collection's own. Bounded memory.
 */
export async function* readByIds(
  job: ReadByIdsJob,
  ids: AsyncIterable<readonly string[]>,
): AsyncGenerator<RecordBatch, void, undefined> {
  const { api, collection, vectors, concurrency, signal } = job
  const sizer = new BatchSizer(ANSWER_BYTES, 600 + (vectors ? 12 * (collection.dimension ?? 0) : 0))
  const fetcher = new RecordFetcher(api, collection, {
    onAnswer: (answer) => sizer.learn(answer),
    maxAnswerBytes: SURPRISE * ANSWER_BYTES,
    askAgain: true,
  })
  const fetch = (
    some: readonly string[],
    workSignal: AbortSignal,
  ): Promise<AsyncIterable<RecordBatch> | readonly RecordBatch[]> =>
    vectors ? fetcher.fetchPieces(some, workSignal) : payloadPieces(job, sizer, some, workSignal)
  const groups = groupsOf(ids, () => sizer.rows(fetcher.mostIds))
  for await (const pieces of mapInOrder(groups, concurrency, fetch, signal))
    for await (const batch of pieces) if (batch.ids.length > 0) yield batch
}

/** Every record, in the collection's own order, as far as it is there when its turn comes. */
export async function* readAll(
  job: ReadByIdsJob & { readonly tempDir: string },
): AsyncGenerator<RecordBatch, void, undefined> {
  const { api, collection, signal, tempDir } = job
  const window = Math.min(WINDOW, api.mostPerRequest)
  const spool = await spoolIds({ api, collection, window, signal }, tempDir)
  try {
    yield* readByIds(job, spool.read())
  } finally {
    await spool.dispose()
  }
}

/** All ids of a collection, on disk. The caller disposes of the list. */
export async function spoolIds(job: ListJob, folder: string): Promise<IdSpool> {
  return withListing(job, async (ids) => {
    const spool = await IdSpool.create(folder)
    try {
      for await (const piece of ids) await spool.append(piece)
      return spool
    } catch (error) {
      await spool.dispose()
      throw error
    }
  })
}

async function payloadPieces(
  job: ReadByIdsJob,
  sizer: BatchSizer,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<readonly RecordBatch[]> {
  const { api, collection } = job
  try {
    const request = { ids, include: ['documents', 'metadatas', 'uris'] } as const
    const limit = ids.length > 1 ? SURPRISE * ANSWER_BYTES : undefined
    const { batch, bytes } = await api.getWithSize(collection, request, signal, limit)
    sizer.learn({ records: batch.ids.length, bytes })
    if (batch.ids.length === ids.length || ids.length === 1) return [batch]
    // Once more: only a record that is gone may be missed.
    const found = new Set(batch.ids)
    const leftOut = ids.filter((id) => !found.has(id))
    return [
      concatBatches([batch, (await api.getWithSize(collection, { ...request, ids: leftOut }, signal)).batch]),
    ]
  } catch (error) {
    if (!(error instanceof PayloadTooLargeError) || ids.length === 1) throw error
    const middle = Math.ceil(ids.length / 2)
    const [first, second] = [ids.slice(0, middle), ids.slice(middle)]
    return [
      ...(await payloadPieces(job, sizer, first, signal)),
      ...(await payloadPieces(job, sizer, second, signal)),
    ]
  }
}

/** As many ids together as `rows` says when their turn comes. */
export async function* groupsOf(
  ids: AsyncIterable<readonly string[]>,
  rows: () => number,
): AsyncGenerator<readonly string[], void, undefined> {
  let waiting: string[] = []
  let wanted = rows()
  for await (const piece of ids) {
    for (const id of piece) {
      waiting.push(id)
      if (waiting.length < wanted) continue
      yield waiting
      waiting = []
      wanted = rows()
    }
  }
  if (waiting.length > 0) yield waiting
}
