import { readAll, readByIds } from '../../chroma/read-by-ids.js'
import { GuardError } from '../../core/errors.js'
import { plural } from '../../core/plural.js'
import { readAhead } from '../../core/read-ahead.js'
import { displayName, type CollectionDefinition, type RecordBatch } from '../../core/records.js'
import type { RecordMap } from '../record-map.js'
import { quoted } from './bad-value.js'
import type { StepTools } from './step-tools.js'

/** The records of one batch, by the name of the collection that they go to. */
export type Parts = ReadonlyMap<string, RecordBatch>

/** New collections that are made of records of others, which stay as they are. */
export interface CopyPlan {
  readonly kind: 'copyTo' | 'split' | 'merge'
  /** Differs when the result differs. */
  readonly content: string
  readonly sources: readonly CollectionDefinition[]
  readonly targets: readonly string[]
  readonly map: RecordMap | null
  /** Row-local: where a record goes depends on nothing but the record, and on what `sources` hold. */
  readonly part: (
    batch: RecordBatch,
    source: CollectionDefinition,
    signal: AbortSignal,
  ) => Parts | Promise<Parts>
}

/** What the targets are to hold, batch by batch; begun anew each time. Bounded memory. */
export async function* plannedParts(
  plan: CopyPlan,
  tools: StepTools,
): AsyncGenerator<Parts, void, undefined> {
  for (const source of plan.sources) yield* readAhead(partsOf(plan, tools, source), 1)
}

/** What the targets are to hold of the records with these ids, as the sources are now. */
export async function* plannedFor(
  plan: CopyPlan,
  tools: StepTools,
  ids: readonly string[],
): AsyncGenerator<Parts, void, undefined> {
  for (const source of plan.sources) {
    const batches = readByIds({ ...readJob(tools, source), vectors: true }, once(ids))
    for await (const batch of batches) yield await parted(plan, tools, source, batch)
  }
}

async function* partsOf(
  plan: CopyPlan,
  tools: StepTools,
  source: CollectionDefinition,
): AsyncGenerator<Parts, void, undefined> {
  const batches = readAll({ ...readJob(tools, source), vectors: true, tempDir: tools.tempDir })
  for await (const batch of readAhead(batches, 1)) yield await parted(plan, tools, source, batch)
}

async function parted(
  plan: CopyPlan,
  { signal }: StepTools,
  source: CollectionDefinition,
  batch: RecordBatch,
): Promise<Parts> {
  const mapped = plan.map === null ? batch : await plan.map.map(batch, signal)
  refuseLostVectors(source, mapped)
  return plan.part(mapped, source, signal)
}

/** A server takes no record without a vector, and none may be left out unless the migration says so. */
function refuseLostVectors(source: CollectionDefinition, { ids, missingEmbeddings }: RecordBatch): void {
  const [first] = missingEmbeddings
  if (first === undefined) return
  throw new GuardError(
    'VECTORS_LOST',
    `${displayName(source)} has lost the vectors of ${plural(missingEmbeddings.length, 'record')}, such as ${quoted(ids[first] ?? '')}: they cannot be copied`,
    {
      hint: 'make new ones with reembed, or leave such records out with filter(({ embedding }) => embedding !== null)',
    },
  )
}

function readJob({ api, concurrency, signal }: StepTools, collection: CollectionDefinition) {
  return { api, collection, concurrency, signal }
}

async function* once<T>(item: T): AsyncGenerator<T, void, undefined> {
  yield item
}
