import { CollectionNotFoundError } from '../chroma/errors.js'
import { TempFileError } from '../chroma/id-spool.js'
import { AbortedError, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { mapInOrder } from '../core/map-in-order.js'
import { displayName, type CollectionDefinition, type CollectionReader } from '../core/records.js'
import { StoreError } from '../storage/blob-store.js'
import type { BackupJob } from './backup-job.js'
import { lostVectors, type CollectionOutcome } from './backup-writer.js'
import { writeCollection } from './collection-writer.js'
import { defaultLayerRule } from './layer-rule.js'
import type { ObjectAppends, ObjectWriter } from './object-writer.js'
import type { ParentBackup } from './reuse.js'
import { Turns } from './turns.js'

/** So many small collections are read at the same time: most of their time is waiting for answers. */
const SMALL_AT_ONCE = 4
const SMALL_BYTES = 4 * 1024 * 1024
const GUESSED_PAYLOAD_BYTES = 1024

export interface WriteCollectionsJob {
  readonly job: BackupJob
  readonly collections: readonly CollectionDefinition[]
  readonly objects: ObjectWriter
  readonly parent: ParentBackup | null
}

type WriteOneJob = Omit<WriteCollectionsJob, 'objects'> & { readonly objects: ObjectAppends }

type Step =
  | CollectionOutcome
  /** Dropped since it was listed. */
  | { readonly status: 'removed' }
  /** Too large to be read beside another large one. */
  | { readonly status: 'opened'; readonly reader: CollectionReader }

/**
 * Writes the records of all collections. One that cannot be read is an outcome, not a failure, unless the
 * cause concerns all of them.
 */
export async function writeCollections(
  work: WriteCollectionsJob,
): Promise<{ readonly outcomes: readonly CollectionOutcome[]; readonly removed: number }> {
  const { job, collections } = work
  const outcomes: CollectionOutcome[] = []
  const turns = new Turns()
  let removed = 0
  const begin = ([turn, definition]: readonly [number, CollectionDefinition], signal: AbortSignal) =>
    attempt(work, definition, async () => {
      const reader = await job.source.openCollection(definition, signal)
      if (!isSmall(reader)) return { status: 'opened', reader }
      return write({ ...work, objects: turns.writerFor(turn, work.objects, signal) }, reader, signal)
    })
  for await (const step of mapInOrder(each(collections.entries()), SMALL_AT_ONCE, begin, job.signal)) {
    const outcome =
      step.status === 'opened'
        ? await attempt(work, step.reader.definition, () => write(work, step.reader, job.signal))
        : step
    if (outcome.status === 'removed') removed++
    else if (outcome.status !== 'opened') outcomes.push(outcome)
    turns.next()
  }
  return { outcomes, removed }
}

async function write(
  { job, objects, parent }: WriteOneJob,
  reader: CollectionReader,
  signal: AbortSignal | undefined,
): Promise<CollectionOutcome> {
  const { progress } = job
  const earlier = parent === null ? null : await parent.collection(reader.definition, signal)
  const collection = await writeCollection({
    reader,
    reopen: () => job.source.openCollection(reader.definition, signal),
    objects,
    earlier,
    rule: { ...defaultLayerRule, ...job.layers },
    progress,
    signal,
  })
  if (collection.missingVectors > 0) {
    progress.warn({ code: 'VECTORS_LOST', message: lostVectors(collection) })
  }
  return { status: 'written', collection, earlier }
}

async function attempt(
  { job }: WriteCollectionsJob,
  definition: CollectionDefinition,
  work: () => Promise<Step>,
): Promise<Step> {
  try {
    return await work()
  } catch (error) {
    if (job.signal?.aborted || !concernsOneCollection(error)) throw error
    const task = displayName(definition)
    job.progress.update({ task, phase: 'read', done: 0, unit: 'records', state: 'failed' })
    const { code, message } = error
    if (error instanceof CollectionNotFoundError) {
      job.progress.warn({ code: 'COLLECTION_REMOVED', message: `${task} was dropped while the backup ran` })
      return { status: 'removed' }
    }
    job.progress.warn({ code, message: `${task} could not be read: ${message}` })
    return { status: 'failed', definition, error: { code, message } }
  }
}

/** A damaged collection leaves the others readable; a store, a server or a network that fails does not. */
function concernsOneCollection(error: unknown): error is OpsError {
  const everywhere: readonly ExitCode[] = [ExitCode.unreachable, ExitCode.notAllowed, ExitCode.timeout]
  if (!(error instanceof OpsError) || error instanceof AbortedError) return false
  if (error instanceof StoreError || error instanceof TempFileError) return false
  return !everywhere.includes(error.exitCode)
}

function isSmall({ expectedRecords, definition }: CollectionReader): boolean {
  return expectedRecords * ((definition.dimension ?? 0) * 4 + GUESSED_PAYLOAD_BYTES) <= SMALL_BYTES
}

async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items
}
