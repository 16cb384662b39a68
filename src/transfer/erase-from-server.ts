import type { ChromaApi } from '../chroma/api.js'
import { throwIfAborted } from '../core/errors.js'
import { displayName, type CollectionDefinition, type CollectionName } from '../core/records.js'
import type { Progress } from '../core/progress.js'

export interface EraseFromServerJob {
  readonly api: ChromaApi
  /** Where to look. */
  readonly collections: readonly CollectionDefinition[]
  readonly ids: readonly string[]
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/** What a collection of a server holds of the records. */
export interface ServerHolding extends CollectionName {
  readonly id: string
  /** Records that are there, by their ids. */
  readonly records: readonly string[]
}

/** Ids in one request. */
const AT_ONCE = 1_000

/** Which of the records a server has; reads only. */
export async function findOnServer(job: EraseFromServerJob): Promise<readonly ServerHolding[]> {
  const holdings: ServerHolding[] = []
  for (const collection of job.collections) {
    const { tenant, database, name, id } = collection
    holdings.push({ tenant, database, name, id, records: await idsThere(job, collection, job.ids) })
  }
  return holdings
}

/**
 * Deletes the records and asks for them again; returns what was there. The files of the server are another
 * matter: its log and free pages keep deleted texts. Rejects with an error of the server.
 */
export async function eraseFromServer(job: EraseFromServerJob): Promise<{
  readonly holdings: readonly ServerHolding[]
  /** Records that the server still has. */
  readonly left: number
}> {
  const { api, collections, progress, signal } = job
  const holdings = await findOnServer(job)
  let left = 0
  for (const [index, { records }] of holdings.entries()) {
    const collection = collections[index]
    if (collection === undefined) continue
    const task = displayName(collection)
    let done = 0
    for (const ids of pieces(records)) {
      throwIfAborted(signal)
      await api.deleteRecords(collection, ids, signal)
      done += ids.length
      progress.update({ task, phase: 'write', done, total: records.length, unit: 'records' })
    }
    progress.update({ task, phase: 'write', done, total: done, unit: 'records', state: 'done' })
    left += (await idsThere(job, collection, records)).length
  }
  return { holdings, left }
}

async function idsThere(
  { api, signal }: EraseFromServerJob,
  collection: CollectionDefinition,
  ids: readonly string[],
): Promise<readonly string[]> {
  const there: string[] = []
  for (const piece of pieces(ids)) {
    throwIfAborted(signal)
    there.push(...(await api.get(collection, { ids: piece, include: [] }, signal)).ids)
  }
  return there
}

function* pieces(ids: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < ids.length; at += AT_ONCE) yield ids.slice(at, at + AT_ONCE)
}
