import type { Progress } from '../core/progress.js'
import {
  displayName,
  type CollectionReader,
  type ReadConsistency,
  type RecordBatch,
} from '../core/records.js'
import type { BatchDigests } from '../core/digest.js'
import { CollectionTotals, type CountedCollection } from './collection-totals.js'
import { RowGroupsWriter } from './cut-row-groups.js'
import { ObjectDamagedError } from './errors.js'
import { roomForLayer, type LayerRule } from './layer-rule.js'
import { LayerTooLargeError, LayerWriter } from './layer-writer.js'
import type { ObjectAppends } from './object-writer.js'
import { warnOfDamage, type ReusableCollection, type WholeCollection } from './reuse.js'
import type { PendingLayer, PendingRowGroup } from './row-group-writer.js'

/** A collection whose records are on their way into objects. */
export interface PendingCollection extends CountedCollection {
  readonly consistency: ReadConsistency
  /** Why the source could not deliver all of it. */
  readonly damage: { readonly code: string; readonly message: string } | null
  readonly rowGroups: readonly PendingRowGroup[]
  readonly layers: readonly PendingLayer[]
}

export interface WriteCollectionJob {
  readonly reader: CollectionReader
  /** The same collection once more, from its first record on. */
  readonly reopen: () => Promise<CollectionReader>
  readonly objects: ObjectAppends
  /** The same collection in the parent backup, null when there is none. */
  readonly earlier: ReusableCollection | null
  readonly rule: LayerRule
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads all records of a collection and hands them to the object writer: a layer above what the parent has, or else a
 * new base. When it turns out that more changed than a layer may hold, or that the parent's index is damaged, the
 * collection is read again.
 */
export async function writeCollection(job: WriteCollectionJob): Promise<PendingCollection> {
  const above = ableToCarry(job)
  if (above === null) return write(job, baseOf(job))
  const { layers, rowGroups } = above.whole
  const layer = new LayerWriter({
    objects: job.objects,
    earlier: above.whole.index(job.signal),
    known: job.earlier?.rowGroups ?? new Map(),
    room: above.room,
  })
  try {
    return await write(job, {
      add: (batch, digests, dimension) => layer.add(batch, digests, dimension),
      payloadBytes: () => layer.payloadBytes,
      finish: async () => {
        const added = await layer.finish()
        return { rowGroups, layers: added === null ? layers : [...layers, added] }
      },
    })
  } catch (error) {
    if (error instanceof ObjectDamagedError) warnOfDamage(error, job.progress)
    else if (!(error instanceof LayerTooLargeError)) throw error
    return await write({ ...job, reader: await job.reopen() }, baseOf(job))
  } finally {
    await layer.close()
  }
}

/** What a new layer can be put above, and how much it may change; null for a new base. */
function ableToCarry({
  reader,
  earlier,
  rule,
}: WriteCollectionJob): { readonly whole: WholeCollection; readonly room: number } | null {
  const whole = earlier?.whole ?? null
  if (earlier === null || whole === null) return null
  const { id, dimension } = earlier.catalogue.definition
  // Restored or created anew: what it has in common with what had its name is chance.
  if (id !== reader.definition.id || dimension !== reader.definition.dimension) return null
  const room = roomForLayer(earlier.catalogue, rule)
  return room === null ? null : { whole, room }
}

/** Where the records of a collection go. */
interface RecordsWriter {
  add(batch: RecordBatch, digests: BatchDigests, dimension: number): Promise<void>
  payloadBytes(): number
  finish(): Promise<Pick<PendingCollection, 'rowGroups' | 'layers'>>
}

function baseOf({ objects, earlier }: WriteCollectionJob): RecordsWriter {
  const groups = new RowGroupsWriter({ objects, known: earlier?.rowGroups ?? new Map() })
  return {
    add: (batch, digests, dimension) =>
      groups.add(batch, digests, { from: 0, to: batch.ids.length, dimension }),
    payloadBytes: () => groups.payloadBytes,
    finish: async () => ({ rowGroups: await groups.finish(), layers: [] }),
  }
}

async function write(
  { reader, progress, signal }: WriteCollectionJob,
  records: RecordsWriter,
): Promise<PendingCollection> {
  const { definition, expectedRecords } = reader
  const totals = new CollectionTotals(definition)
  const tell = (state?: 'done') => {
    progress.update({
      task: displayName(definition),
      phase: 'read',
      done: totals.records,
      total: state === 'done' ? totals.records : Math.max(expectedRecords, totals.records),
      unit: 'records',
      bytes: totals.vectorBytes,
      ...(state !== undefined && { state }),
    })
  }
  for await (const batch of reader.batches(signal)) {
    if (batch.ids.length > 0) {
      const { digests, dimension } = totals.add(batch)
      await records.add(batch, digests, dimension)
    }
    tell()
  }
  const written = await records.finish()
  totals.payloadBytes = records.payloadBytes()
  tell('done')
  return {
    ...totals.result(),
    ...written,
    consistency: reader.consistency(),
    damage: reader.damage?.() ?? null,
  }
}
