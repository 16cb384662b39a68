import { mapInOrder } from '../core/map-in-order.js'
import { displayName } from '../core/records.js'
import type { Progress } from '../core/progress.js'
import { ask, type CollectionProbe } from './ask.js'
import { collectionFinding, healthCommand, restoreCommand } from './findings.js'
import { merged, nothingRead, readVectors, type VectorsRead } from './read-vectors.js'
import type { HealthFinding } from './report.js'

/** Records at the beginning, in the middle and at the end: old ones are in saved files, new ones in the log. */
export async function sampleVectors(probe: CollectionProbe, records: number): Promise<VectorsRead> {
  const offsets = records <= 3 * SAMPLE ? [0] : [0, Math.floor((records - SAMPLE) / 2), records - SAMPLE]
  const limit = offsets.length === 1 ? 3 * SAMPLE : SAMPLE
  const ids = new Set<string>()
  for (const offset of offsets) {
    const page = await listIds(probe, limit, offset)
    page.forEach((id) => ids.add(id))
  }
  return readVectors(probe, [...ids], { left: 6 * SAMPLE })
}

/** Every record. Those that are written meanwhile may or may not be among them. */
export async function readAllVectors(
  probe: CollectionProbe,
  records: number,
  progress: Progress,
): Promise<VectorsRead> {
  const task = displayName(probe.collection)
  const failures = { left: MAX_FAILURES }
  let sum = nothingRead
  const batches = idBatches(probe, batchRows(probe.collection.dimension))
  const read = (ids: readonly string[], signal: AbortSignal) =>
    readVectors({ ...probe, signal }, ids, failures)
  progress.update({ task, phase: 'verify', done: 0, total: records, unit: 'records' })
  for await (const part of mapInOrder(batches, IN_FLIGHT, read, probe.signal)) {
    sum = merged(sum, part)
    progress.update({ task, phase: 'verify', done: sum.checked, total: records, unit: 'records' })
  }
  progress.update({
    task,
    phase: 'verify',
    done: sum.checked,
    total: records,
    unit: 'records',
    state: 'done',
  })
  return sum
}

/** `records`: how many there are; when fewer were read, it was a sample. */
export function lossFinding(
  probe: CollectionProbe,
  { checked, lost, undecided }: VectorsRead,
  records: number,
): HealthFinding | undefined {
  if (lost.length + undecided === 0) return undefined
  const isSample = checked < records
  const number =
    undecided === 0 ? `${lost.length}` : `at least ${lost.length}, at most ${lost.length + undecided}`
  const names = lost.slice(0, 3).map((id) => JSON.stringify(id))
  const examples = names.length === 0 ? '' : `, among them ${names.join(', ')}`
  return collectionFinding(probe.collection, {
    id: 'VECTORS_LOST',
    severity: 'critical',
    evidence: `${number} of ${checked} ${isSample ? 'sampled ' : ''}vectors cannot be read back${examples}`,
    consequence: 'These records are counted and have their documents, but no query finds them.',
    advice:
      'copy the data directory before anything else, then restore this collection from a backup, or embed its documents again; never delete the folder of its index',
    command: (isSample ? healthCommand : restoreCommand)(probe.collection, probe.url),
  })
}

/** Ids from each place of the sample. */
const SAMPLE = 8
const IN_FLIGHT = 3
/** Each lost vector costs two failed requests, and the server logs each of them. */
const MAX_FAILURES = 400
const IDS_PER_PAGE = 10_000
/** Of one answer. */
const TARGET_BYTES = 4 * 1024 * 1024
/** Of one number as JSON text, about. */
const BYTES_PER_NUMBER = 12

function batchRows(dimension: number | null): number {
  return Math.min(1_000, Math.max(1, Math.floor(TARGET_BYTES / BYTES_PER_NUMBER / (dimension ?? 1))))
}

async function* idBatches(probe: CollectionProbe, rows: number): AsyncGenerator<readonly string[]> {
  for (let offset = 0; ; offset += IDS_PER_PAGE) {
    const page = await listIds(probe, IDS_PER_PAGE, offset)
    for (let at = 0; at < page.length; at += rows) yield page.slice(at, at + rows)
    if (page.length < IDS_PER_PAGE) return
  }
}

async function listIds(probe: CollectionProbe, limit: number, offset: number): Promise<readonly string[]> {
  const { api, collection } = probe
  const { value } = await ask(probe, 'listing ids', (signal) =>
    api.get(collection, { limit, offset, include: [] }, signal),
  )
  return value.ids
}
