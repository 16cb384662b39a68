import { readAll } from '../../chroma/read-by-ids.js'
import { spaceOf } from '../../chroma/space.js'
import { updateRecords, type RecordUpdate } from '../../chroma/update-records.js'
import { piecesOf } from '../../core/batch-rows.js'
import { displayName, type CollectionDefinition, type RecordBatch } from '../../core/records.js'
import { compareRecord } from '../../transfer/compare-record.js'
import { MigrationError } from '../migration-error.js'
import type { RecordMap } from '../record-map.js'
import type { StepOutcome } from '../step-outcome.js'
import type { Step } from '../step.js'
import { quoted } from './bad-value.js'
import { checkIdempotent } from './idempotency.js'
import { rowsOf, type Row } from './record-rows.js'
import { updateBetween } from './record-update.js'
import { facts, nothingDone, readJournal, sourceOf, type StepTools } from './step-tools.js'

/** JSON bytes of the records of one request, about. */
const PIECE_BYTES = 2 * 1024 * 1024
/** Passes over a collection that others write to. */
const MOST_PASSES = 10
/** Ids in one request to delete. */
const DELETE_AT_ONCE = 1000

/**
 * Changes the records of a collection where they are. Passes over it are repeated until one finds nothing to
 * change: so records that are written meanwhile are changed, too, and what was written is seen to be there.
 * A run that died is continued behind the last record it is known to have changed.
 */
export async function inPlaceStep(
  step: Extract<Step, { readonly kind: 'inPlace' }>,
  tools: StepTools,
): Promise<StepOutcome> {
  const { map } = step
  checkMap(map)
  const begun = readJournal(tools)
  const collection = await sourceOf(tools, step.collection, begun.text('id'))
  const job: InPlaceJob = { tools, map, collection, base64: (await tools.api.preFlight(tools.signal)).base64 }
  await checkSample(job)
  let changed = 0
  for (let pass = 1; ; pass++) {
    const done = await runPass(job, pass === 1 ? begun.text('cursor') : null)
    changed += done.changed
    // What was added while the last pass read is not in it.
    const isWhole = (await tools.api.count(collection, tools.signal)) === done.read
    if (done.changed === 0 && isWhole && pass > 1)
      return { ...nothingDone, records: changed, notes: notesOf(collection, pass) }
    if (pass === MOST_PASSES)
      throw new MigrationError(
        'CHANGED_MEANWHILE',
        `${displayName(collection)}: after ${pass} passes there still are records to change (${done.changed} in the last)`,
        {
          hint: 'stop those who write to it, then run it again; if nobody does, the function does not settle',
        },
      )
  }
}

interface InPlaceJob {
  readonly tools: StepTools
  readonly map: RecordMap
  readonly collection: CollectionDefinition
  readonly base64: boolean
}

function checkMap(map: RecordMap): void {
  if (map.space !== null || map.newVectors)
    throw new MigrationError(
      'OPERATION_REFUSED',
      'in place, neither the space nor the model of the vectors can change',
      { hint: 'leave inPlace out: the chain is then done by copy and swap' },
    )
}

/** The function must bear being run twice over a record: that is what happens after a crash. */
async function checkSample(job: InPlaceJob): Promise<void> {
  for await (const batch of records(job)) {
    await checkIdempotent(job.map, batch, spaceOf(job.collection), job.tools.signal)
    return
  }
}

async function runPass(
  job: InPlaceJob,
  cursor: string | null,
): Promise<{ readonly changed: number; readonly read: number }> {
  const { tools, collection } = job
  const { progress, journal } = tools
  const task = displayName(collection)
  const total = await tools.api.count(collection, tools.signal)
  let [changed, done, waiting] = [0, 0, cursor !== null]
  for await (const batch of records(job)) {
    done += batch.ids.length
    // What is behind the cursor is looked at by the next pass, at the latest.
    const isDone = waiting
    if (cursor !== null && batch.ids.includes(cursor)) waiting = false
    if (isDone) continue
    for (const piece of piecesOf(batch, PIECE_BYTES)) changed += await changePiece(job, piece)
    const last = batch.ids.at(-1) ?? ''
    await journal.put(facts({ kind: 'inPlace', id: collection.id, cursor: last }))
    progress.update({ task, phase: 'write', done, total: Math.max(total, done), unit: 'records' })
  }
  progress.update({
    task,
    phase: 'write',
    done,
    total: Math.max(total, done),
    unit: 'records',
    state: 'done',
  })
  return { changed, read: done }
}

function records({ tools, collection }: InPlaceJob): AsyncGenerator<RecordBatch, void, undefined> {
  const { api, concurrency, tempDir, signal } = tools
  return readAll({ api, collection, vectors: true, concurrency, tempDir, signal })
}

/** The number of records that were changed or deleted. */
async function changePiece(job: InPlaceJob, piece: RecordBatch): Promise<number> {
  const { tools, map, collection, base64 } = job
  const { api, signal } = tools
  const mapped = await map.map(piece, signal)
  const results = new Map(mapped.ids.map((id, row) => [id, row]))
  const [before, after] = [rowsOf(piece), rowsOf(mapped)]
  const dropped: string[] = []
  const updates: RecordUpdate[] = []
  before.forEach((row, at) => {
    const resultAt = results.get(row.id)
    const result = resultAt === undefined ? undefined : after[resultAt]
    if (resultAt === undefined || result === undefined) dropped.push(row.id)
    else if (differs({ batch: piece, row: at }, { batch: mapped, row: resultAt }, collection))
      updates.push(updateOf(row, result))
  })
  const most = Math.min(api.mostPerRequest, updates.length)
  for (let from = 0; from < updates.length; from += most)
    await updateRecords(api.transport, collection, updates.slice(from, from + most), { base64, signal })
  for (let from = 0; from < dropped.length; from += DELETE_AT_ONCE)
    await api.deleteRecords(collection, dropped.slice(from, from + DELETE_AT_ONCE), signal)
  return updates.length + dropped.length
}

/** Beyond what Chroma itself shifts: else a function that scales vectors to length one would never be done. */
function differs(
  before: { readonly batch: RecordBatch; readonly row: number },
  after: { readonly batch: RecordBatch; readonly row: number },
  collection: CollectionDefinition,
): boolean {
  return compareRecord(after, before, spaceOf(collection), { metadataFloats: 0, vectors: 0 }).length > 0
}

function updateOf(before: Row, after: Row): RecordUpdate {
  const update = updateBetween(before, after)
  if (update !== null) return update
  throw new MigrationError(
    'OPERATION_REFUSED',
    `record ${quoted(before.id)}: Chroma cannot take a document or a URI away in place`,
    { hint: 'leave inPlace out: the chain is then done by copy and swap' },
  )
}

function notesOf(collection: CollectionDefinition, passes: number): string[] {
  if (passes === 2) return []
  return [`${displayName(collection)}: others wrote to it meanwhile; ${passes} passes were made`]
}
