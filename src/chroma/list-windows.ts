import { OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { retryHints } from '../core/retry-hints.js'
import type { ChromaApi, CollectionRef } from './api.js'

/** Answers that broke off one after another, without a single id between them. */
const BROKEN_ANSWERS = 5

/** How often a listing in windows is begun before all is asked for at once. */
const DISTURBED_LISTINGS = 3

/** Records were deleted from a collection while its ids were listed, so that the listing has a gap. */
export class CollectionChangingError extends OpsError {
  override readonly code = 'COLLECTION_CHANGING'
  override readonly exitCode = ExitCode.locked
  readonly retryable = true

  constructor(name: string) {
    super(`collection ${name} lost records while its ids were listed`, {
      hint: 'try again when fewer records are being deleted',
    })
  }
}

export interface ListJob {
  readonly api: ChromaApi
  readonly collection: CollectionRef
  /** Ids per request; bounds what the server builds in memory for one answer. */
  readonly window: number
  readonly signal: AbortSignal | undefined
}

/**
 * Gives `consume` every id of the collection in the order of insertion, without a gap: a record that exists
 * throughout is in the list, once. When deletes disturb the listing, it begins again and `consume` is called
 * anew; what deletes disturb again and again is asked for in one piece.
 */
export async function withListing<T>(
  job: ListJob,
  consume: (ids: AsyncIterable<readonly string[]>) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await consume(
        listIds(attempt <= DISTURBED_LISTINGS ? job : { ...job, window: job.api.mostPerRequest }),
      )
    } catch (error) {
      if (!(error instanceof CollectionChangingError) || attempt > DISTURBED_LISTINGS) throw error
    }
  }
}

/**
 * Lists in windows by offset. Each begins with the last id of the one before, the anchor: as new records
 * come last, only a delete in front of it can have moved it, and then ids between the windows were skipped.
 * An answer that breaks off is a window that ends early. Throws a {@link CollectionChangingError} when the
 * anchor has moved.
 */
export async function* listIds(job: ListJob): AsyncGenerator<readonly string[], void, undefined> {
  const { api, collection, window, signal } = job
  let anchor: string | undefined
  let listed = 0
  let broken = 0
  for (;;) {
    const offset = anchor === undefined ? 0 : listed - 1
    const page = { ...(offset > 0 && { offset }), ...(Number.isFinite(window) && { limit: window }) }
    let received = 0
    try {
      for await (const ids of api.listIds(collection, page, signal)) {
        const isFirst = received === 0 && anchor !== undefined
        if (isFirst && ids[0] !== anchor) throw new CollectionChangingError(collection.name)
        received += ids.length
        const fresh = isFirst ? ids.slice(1) : ids
        listed += fresh.length
        anchor = fresh.at(-1) ?? anchor
        if (fresh.length > 0) broken = 0
        yield fresh
      }
    } catch (error) {
      if (error instanceof CollectionChangingError || retryHints(error).retryable !== true) throw error
      if (++broken >= BROKEN_ANSWERS) throw error
      continue
    }
    if (received === 0 && anchor !== undefined) throw new CollectionChangingError(collection.name)
    if (received < window) return
  }
}
