import type { ChromaApi } from '../chroma/api.js'
import { createLike } from '../chroma/create-like.js'
import { serverLookup } from '../chroma/server-lookup.js'
import { ServerCollectionWriter } from '../chroma/server-sink.js'
import type { Progress, Warning } from '../core/progress.js'
import { readAhead } from '../core/read-ahead.js'
import { displayName, type CollectionDefinition, type RecordSource } from '../core/records.js'
import { dropCollection } from './commit-shadow.js'
import { judgeShadow, shadowMetadata, type ShadowIdentity } from './shadow.js'
import { SourceRecords } from './source-records.js'
import { NotAPrefix, readWritten, unwritten, type WrittenIds } from './unwritten.js'

export interface BuildJob {
  readonly api: ChromaApi
  readonly source: RecordSource
  readonly definition: CollectionDefinition
  readonly identity: ShadowIdentity
  /** What is under the shadow's name already. */
  readonly begun: CollectionDefinition | null
  /**
   * When the source does not begin any more with what an earlier run has written. `keep`: nothing is written,
   * and the caller makes the records equal. Default: it is dropped, and built anew.
   */
  readonly changed?: 'keep' | 'drop'
  /** Called with the id of the collection before anything is written to it. */
  readonly onCollection: (id: string) => Promise<void>
  readonly progress: Progress
  readonly signal: AbortSignal | undefined
}

export interface BuiltShadow {
  readonly collection: CollectionDefinition
  /** Records in it. */
  readonly records: number
  /** Records written by this run. */
  readonly written: number
  /** Continues what an earlier run has written. */
  readonly resumed: boolean
  readonly withoutVector: number
  /** Bytes of vectors. */
  readonly bytes: number
  readonly warnings: readonly Warning[]
}

/**
 * Builds the collection under its temporary name. What an earlier run has written is continued when it is
 * the beginning of what is to be written, else dropped. There must be no other writer.
 */
export async function buildShadow(job: BuildJob): Promise<BuiltShadow> {
  const { begun, identity } = job
  if (begun !== null) {
    if (judgeShadow(begun, identity) === 'own') {
      try {
        return await fill(job, begun, await writtenIds(job, begun), [])
      } catch (error) {
        if (!(error instanceof NotAPrefix)) throw error
        if (job.changed === 'keep') return keep(job, begun)
      }
    }
    await dropCollection(job.api, begun, job.signal)
  }
  return rebuildShadow(job)
}

async function keep({ api, signal }: BuildJob, begun: CollectionDefinition): Promise<BuiltShadow> {
  const records = await api.count(begun, signal)
  const nothing = { written: 0, withoutVector: 0, bytes: 0, warnings: [] }
  return { ...nothing, collection: begun, records, resumed: true }
}

/** Builds it from nothing; nothing must be there under its name. */
export async function rebuildShadow(job: BuildJob): Promise<BuiltShadow> {
  const { api, definition, identity, signal } = job
  const { collection, warnings } = await createLike(api, definition, {
    address: identity.address,
    marker: shadowMetadata(identity),
    signal,
  })
  return fill(job, collection, NOTHING_WRITTEN, warnings)
}

async function fill(
  job: BuildJob,
  collection: CollectionDefinition,
  there: WrittenIds,
  warnings: readonly Warning[],
): Promise<BuiltShadow> {
  const { api, source, definition, signal, progress } = job
  await job.onCollection(collection.id)
  const records = await SourceRecords.open(source, definition, signal)
  const writer = new ServerCollectionWriter(api, collection)
  const task = displayName(job.identity.target)
  let [done, bytes] = [there.count, 0]
  const update = (state?: 'done' | 'failed') =>
    progress.update({
      task,
      phase: 'write',
      done,
      total: Math.max(records.expectedRecords, done),
      unit: 'records',
      bytes,
      ...(state && { state }),
    })
  try {
    if (there.count === 0) update()
    for await (const batch of readAhead(unwritten(records.batches(signal), there), 1)) {
      await writer.write(batch, signal)
      done += batch.ids.length
      bytes += batch.embeddings.byteLength
      update()
    }
    update('done')
  } catch (error) {
    if (!(error instanceof NotAPrefix)) update('failed')
    throw error
  }
  const { withoutVector } = records
  const written = done - there.count
  return { collection, records: done, written, resumed: there.count > 0, withoutVector, bytes, warnings }
}

const NOTHING_WRITTEN: WrittenIds = { count: 0, digest: '' }

async function writtenIds({ api, signal }: BuildJob, begun: CollectionDefinition): Promise<WrittenIds> {
  return readWritten(serverLookup(api, begun).listIds(signal))
}
