import type { ChromaApi } from '../../chroma/api.js'
import { withListing } from '../../chroma/list-windows.js'
import type { CollectionName } from '../../core/records.js'
import { IdTable } from '../../datadir/id-table.js'
import type { IdPieces } from '../../datadir/segment-vectors.js'
import { countText, examplesText } from './figures.js'

/** The ids of a collection in a data directory. */
export interface DirectoryIds {
  /** Those in the tables, as bytes. */
  pages(signal: AbortSignal | undefined): AsyncIterable<IdPieces>
  /** Whether it is a record now, with what waits in the log. */
  has(id: string): boolean
}

const WINDOW_IDS = 1_000_000
/** So many differences are looked at again; what was written meanwhile is none. */
const MOST_DOUBTS = 1000

/**
 * What the ids of a collection differ in, as texts; empty when they do not. In memory are 16 to 32 bytes for each
 * of the server's ids. Records that are written or deleted meanwhile are no difference.
 */
export async function compareIds(job: {
  readonly api: ChromaApi
  readonly collection: CollectionName & { readonly id: string }
  readonly ids: DirectoryIds
  readonly signal: AbortSignal | undefined
}): Promise<readonly string[]> {
  const { ids, signal } = job
  const served = await servedIds(job)
  const onlyHere: string[] = []
  let here = 0
  let both = 0
  for await (const { bytes, starts, ends } of ids.pages(signal)) {
    for (let at = 0; at < ends.length; at++) {
      const [from = 0, to = 0] = [starts[at], ends[at]]
      if (Number.isNaN(served.get(bytes, from, to))) {
        here++
        if (onlyHere.length < MOST_DOUBTS) onlyHere.push(textOf(bytes, from, to))
      } else {
        both++
        served.set(bytes, from, to, SEEN)
      }
    }
  }
  const there = served.size - both
  const onlyThere = there > 0 ? await unseen(job, served) : []
  const missing = await without(job, onlyHere)
  const gone = new Set(await without(job, onlyThere))
  const strange = onlyThere.filter((id) => !ids.has(id) && !gone.has(id))
  return [
    ...told(
      missing.filter((id) => ids.has(id)),
      here,
      'not on the server',
    ),
    ...told(strange, there, 'not in the directory'),
  ]
}

type Job = Parameters<typeof compareIds>[0]

const UNSEEN = 0
const SEEN = 1

async function servedIds(job: Job): Promise<IdTable> {
  return withListing({ ...job, window: WINDOW_IDS }, async (pieces) => {
    const table = new IdTable()
    for await (const ids of pieces)
      for (const id of ids) {
        const bytes = Buffer.from(id)
        table.set(bytes, 0, bytes.length, UNSEEN)
      }
    return table
  })
}

/** Some of the server's ids that the directory did not show. */
async function unseen(job: Job, served: IdTable): Promise<readonly string[]> {
  return withListing({ ...job, window: WINDOW_IDS }, async (pieces) => {
    const found: string[] = []
    for await (const ids of pieces)
      for (const id of ids) {
        const bytes = Buffer.from(id)
        if (found.length < MOST_DOUBTS && served.get(bytes, 0, bytes.length) === UNSEEN) found.push(id)
      }
    return found
  })
}

/** Of these ids, those that the server does not have, now that it is asked for them. */
async function without({ api, collection, signal }: Job, ids: readonly string[]): Promise<readonly string[]> {
  if (ids.length === 0) return []
  const answer = await api.get(collection, { ids, include: [] }, signal)
  const there = new Set(answer.ids)
  return ids.filter((id) => !there.has(id))
}

/** `counted` may include what was being written; it is what is known when there are too many to look at again. */
function told(ids: readonly string[], counted: number, where: string): readonly string[] {
  if (ids.length === 0) return []
  const count = counted > MOST_DOUBTS ? counted : ids.length
  return [`${countText(count, 'id')} ${count === 1 ? 'is' : 'are'} ${where}: ${examplesText(ids, count)}`]
}

function textOf(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', from, to)
}
