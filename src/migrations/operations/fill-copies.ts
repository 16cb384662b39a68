import { ServerCollectionWriter } from '../../chroma/server-sink.js'
import { updateRecords, type RecordUpdate } from '../../chroma/update-records.js'
import { spaceOf } from '../../chroma/space.js'
import { listIds } from '../../chroma/list-windows.js'
import { RecordFetcher } from '../../chroma/fetch-records.js'
import { pickRows, piecesOf } from '../../core/batch-rows.js'
import { plural } from '../../core/plural.js'
import { displayName, type RecordBatch } from '../../core/records.js'
import { compareRecord } from '../../transfer/compare-record.js'
import { MigrationError } from '../migration-error.js'
import { plannedFor, plannedParts, type CopyPlan } from './copy-plan.js'
import type { CopyTarget } from './copy-targets.js'
import { rowsOf } from './record-rows.js'
import { updateBetween } from './record-update.js'
import { addressOf, type StepTools } from './step-tools.js'

/** JSON bytes of a piece, about. */
const PIECE_BYTES = 2 * 1024 * 1024
/** Passes that find something to mend. */
const MOST_PASSES = 5
/** Ids that are looked at together when there are too many. */
const IDS_AT_ONCE = 1000

/** Adds the records that the targets do not have yet. */
export async function fillCopies(
  plan: CopyPlan,
  tools: StepTools,
  targets: readonly CopyTarget[],
): Promise<void> {
  const writers = new Map(
    targets.map((target) => [
      target.name,
      { target, writer: new ServerCollectionWriter(tools.api, target.collection) },
    ]),
  )
  const progress = new CopyProgress(plan, tools, 'write')
  for await (const parts of plannedParts(plan, tools)) {
    for (const [name, part] of parts) {
      const open = writers.get(name)
      if (open === undefined || part.ids.length === 0) continue
      const { target, writer } = open
      const missing = target.begun ? await missingRows(tools, target, part) : part
      if (missing.ids.length > 0) await writer.write(missing, tools.signal)
      progress.add(part)
    }
  }
  progress.end()
}

/**
 * Compares every record with what it is to be, and mends what differs: the sources may have changed while they
 * were read. Passes are repeated until one finds nothing. Returns the number of records in the targets. Rejects
 * with a {@link MigrationError} when there is no end to it.
 */
export async function verifyCopies(
  plan: CopyPlan,
  tools: StepTools,
  targets: readonly CopyTarget[],
): Promise<number> {
  for (let pass = 1; ; pass++) {
    const { records, mended, sample } = await verifyPass(plan, tools, targets)
    if (mended === 0) return records
    if (pass === MOST_PASSES)
      throw new MigrationError(
        'CHANGED_MEANWHILE',
        `${plan.kind} of ${plan.sources.map(displayName).join(', ')}: after ${pass} passes the result still differs (${plural(mended, 'record')}, such as ${sample})`,
        { hint: 'stop those who write to it, and run it again' },
      )
  }
}

interface PassResult {
  records: number
  mended: number
  /** One difference, for people. */
  sample: string
}

async function verifyPass(
  plan: CopyPlan,
  tools: StepTools,
  targets: readonly CopyTarget[],
): Promise<PassResult> {
  const result: PassResult = { records: 0, mended: 0, sample: '' }
  const open = new Map(targets.map((target) => [target.name, { target, expected: 0 }]))
  const progress = new CopyProgress(plan, tools, 'verify')
  for await (const parts of plannedParts(plan, tools)) {
    for (const [name, part] of parts) {
      const entry = open.get(name)
      if (entry === undefined || part.ids.length === 0) continue
      entry.expected += part.ids.length
      for (const piece of piecesOf(part, PIECE_BYTES)) await mend(tools, entry.target, piece, result)
      progress.add(part)
    }
  }
  for (const { target, expected } of open.values()) {
    const count = await tools.api.count(target.collection, tools.signal)
    if (count > expected) await removeExtra(plan, tools, target, result)
    else if (count < expected)
      note(result, expected - count, `${target.name} counts ${plural(count, 'record')}`)
    result.records += expected
  }
  progress.end()
  return result
}

async function mend(
  tools: StepTools,
  { collection }: CopyTarget,
  piece: RecordBatch,
  result: PassResult,
): Promise<void> {
  const { api, signal } = tools
  const found = await new RecordFetcher(api, collection, { askAgain: true }).fetch(piece.ids, signal)
  const rows = new Map(found.ids.map((id, row) => [id, row]))
  const [wanted, actual] = [rowsOf(piece), rowsOf(found)]
  const [missing, replaced]: [number[], string[]] = [[], []]
  const updates: RecordUpdate[] = []
  wanted.forEach((row, at) => {
    const foundAt = rows.get(row.id)
    const other = foundAt === undefined ? undefined : actual[foundAt]
    if (foundAt === undefined || other === undefined) {
      missing.push(at)
      note(result, 1, `${row.id}: it is missing`)
      return
    }
    const tolerated = { metadataFloats: 0, vectors: 0 }
    const pair = [
      { batch: piece, row: at },
      { batch: found, row: foundAt },
    ] as const
    const [difference] = compareRecord(...pair, spaceOf(collection), tolerated)
    if (difference === undefined) return
    note(
      result,
      1,
      `${row.id}: ${difference.field} is ${difference.actual} instead of ${difference.expected}`,
    )
    const update = updateBetween(other, row)
    if (update !== null) updates.push(update)
    else {
      replaced.push(row.id)
      missing.push(at)
    }
  })
  const { base64 } = updates.length > 0 ? await api.preFlight(signal) : { base64: true }
  const most = Math.max(1, Math.min(api.mostPerRequest, updates.length))
  for (let from = 0; from < updates.length; from += most)
    await updateRecords(api.transport, collection, updates.slice(from, from + most), { base64, signal })
  await api.deleteRecords(collection, replaced, signal)
  if (missing.length > 0)
    await new ServerCollectionWriter(api, collection).write(pickRows(piece, missing), signal)
}

/** Records whose source is gone, or that go elsewhere now. */
async function removeExtra(
  plan: CopyPlan,
  tools: StepTools,
  { name, collection }: CopyTarget,
  result: PassResult,
): Promise<void> {
  const { api, signal } = tools
  const window = Math.min(1_000_000, api.mostPerRequest)
  const extra: string[] = []
  for await (const ids of listIds({ api, collection, window, signal })) {
    for (let from = 0; from < ids.length; from += IDS_AT_ONCE) {
      const some = ids.slice(from, from + IDS_AT_ONCE)
      const kept = new Set<string>()
      for await (const parts of plannedFor(plan, tools, some))
        for (const id of parts.get(name)?.ids ?? []) kept.add(id)
      extra.push(...some.filter((id) => !kept.has(id)))
    }
  }
  const [first] = extra
  if (first !== undefined) note(result, extra.length, `${first}: it should not be in ${name}`)
  await api.deleteRecords(collection, extra, signal)
}

async function missingRows(
  { api, signal }: StepTools,
  { collection }: CopyTarget,
  part: RecordBatch,
): Promise<RecordBatch> {
  const there = new Set<string>()
  const size = Math.min(api.mostPerRequest, part.ids.length)
  for (let from = 0; from < part.ids.length; from += size) {
    const ids = part.ids.slice(from, from + size)
    for (const id of (await api.get(collection, { ids, include: [] }, signal)).ids) there.add(id)
  }
  if (there.size === 0) return part
  return pickRows(
    part,
    part.ids.flatMap((id, row) => (there.has(id) ? [] : [row])),
  )
}

function note(result: PassResult, records: number, sample: string): void {
  if (result.mended === 0) result.sample = sample
  result.mended += records
}

class CopyProgress {
  readonly #tools: StepTools
  readonly #task: string
  readonly #phase: 'write' | 'verify'
  #done = 0
  #bytes = 0

  constructor(plan: CopyPlan, tools: StepTools, phase: 'write' | 'verify') {
    this.#tools = tools
    this.#task = displayName(addressOf(tools, plan.targets.join(', ')))
    this.#phase = phase
  }

  add({ ids, embeddings }: RecordBatch): void {
    this.#done += ids.length
    this.#bytes += embeddings.byteLength
    this.#update()
  }

  end(): void {
    this.#update('done')
  }

  #update(state?: 'done'): void {
    this.#tools.progress.update({
      task: this.#task,
      phase: this.#phase,
      done: this.#done,
      unit: 'records',
      bytes: this.#bytes,
      ...(state && { state }),
    })
  }
}
