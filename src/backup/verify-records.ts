import { digestBatch, DIGEST_BYTES } from '../core/digest.js'
import type { Progress } from '../core/progress.js'
import type { RecordBatch } from '../core/records.js'
import { rowsOf, type Catalogue, type RowGroup } from './catalogue.js'
import { ObjectDamagedError } from './errors.js'
import { findingOf, type Finding } from './finding.js'
import { decodeIndexPage } from './index-page.js'
import type { ObjectReader } from './object-reader.js'
import { contentId, objectKey, sha256Hex } from './object-reference.js'
import { fetchVectors, inconsistent, readRowGroup, type RowGroupReadJob } from './row-group-reader.js'
import type { Inventory } from './verify-inventory.js'
import { verifyOrder } from './verify-order.js'

export interface VerifyRecordsJob {
  readonly reader: ObjectReader
  readonly inventory: Inventory
  /** Keys of objects that are known to be damaged; row groups that need them are left out. */
  readonly damaged: ReadonlySet<string>
  /** Share of the row groups. */
  readonly sample: number
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/**
 * Decodes records and compares each with its digests; then what the layers of each collection say, and the sums with
 * the catalogue.
 */
export async function verifyRecords(job: VerifyRecordsJob): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const [collection, catalogue] of job.inventory.catalogues) {
    const purpose = { collection, signal: job.signal }
    const read: RowGroupReadJob = { objects: job.reader, catalogue, purpose }
    const groups = groupsOf(catalogue)
    const total = rowsOf(groups)
    let done = 0
    let whole = true
    for (const group of groups) {
      if (mustRead(job, read, group) && (await verifyGroup(read, group, findings))) done += group.rows
      else whole = false
      job.progress.update({ task: collection, phase: 'verify', done, total, unit: 'records' })
    }
    if (whole && !isDamaged(job, catalogue)) await verifyRest(read, findings)
    job.progress.update({ task: collection, phase: 'verify', done, unit: 'records', state: 'done' })
  }
  return findings
}

/** Of the base and of all layers. */
function groupsOf({ rowGroups, layers }: Catalogue): readonly RowGroup[] {
  return [...rowGroups, ...layers.flatMap(({ replacements, appends }) => [...replacements, ...appends])]
}

function isDamaged({ damaged }: VerifyRecordsJob, { objects }: Catalogue): boolean {
  return objects.some((reference) => damaged.has(objectKey(reference)))
}

async function verifyRest(read: RowGroupReadJob, findings: Finding[]): Promise<void> {
  try {
    await verifyOrder(read)
  } catch (error) {
    if (!(error instanceof ObjectDamagedError)) throw error
    findings.push(findingOf(error, read.purpose.collection === null ? [] : [read.purpose.collection]))
  }
}

function mustRead({ damaged, sample }: VerifyRecordsJob, read: RowGroupReadJob, group: RowGroup): boolean {
  const extents = [...group.vectors, ...group.payload, ...group.index]
  const keys = extents.flatMap(([object]) => read.catalogue.objects[object] ?? []).map(objectKey)
  return !keys.some((key) => damaged.has(key)) && (sample === 1 || Math.random() < sample)
}

interface GroupDigests {
  readonly payload: Buffer
  readonly vectors: Buffer
}

/** Whether the group is as it should be; adds a finding when not. */
async function verifyGroup(read: RowGroupReadJob, group: RowGroup, findings: Finding[]): Promise<boolean> {
  try {
    const expected = await readIndex(read, group)
    const payload: Uint8Array[] = []
    const vectors: Uint8Array[] = []
    let row = 0
    for await (const batch of readRowGroup(read, group, await fetchVectors(read, group))) {
      if (!sameIds(batch, expected.ids, row))
        throw inconsistent(read, group.payload, 'has other ids than its index')
      const digests = digestBatch(batch)
      payload.push(digests.payload)
      vectors.push(digests.vectors)
      row += batch.ids.length
    }
    const digests = { payload: Buffer.concat(payload), vectors: Buffer.concat(vectors) }
    if (!digests.payload.equals(expected.payload)) {
      throw inconsistent(read, group.payload, 'does not match the digests of its records')
    }
    if (!digests.vectors.equals(expected.vectors)) {
      throw inconsistent(read, group.vectors, 'does not match the digests of its vectors')
    }
    return true
  } catch (error) {
    if (!(error instanceof ObjectDamagedError)) throw error
    findings.push(findingOf(error, read.purpose.collection === null ? [] : [read.purpose.collection]))
    return false
  }
}

async function readIndex(
  read: RowGroupReadJob,
  group: RowGroup,
): Promise<GroupDigests & { readonly ids: readonly string[] }> {
  const page = await read.objects.readExtents(read.catalogue.objects, group.index, read.purpose)
  if (contentId(sha256Hex(page)) !== group.id) throw inconsistent(read, group.index, 'is another index page')
  const rows = [...decodeIndexPage(page)].filter((row) => row !== undefined)
  if (rows.length !== group.rows) throw inconsistent(read, group.index, 'does not have the rows it should')
  return {
    ids: rows.map(({ id }) => id),
    payload: Buffer.concat(
      rows.map(({ payload }) => payload),
      rows.length * DIGEST_BYTES,
    ),
    vectors: Buffer.concat(
      rows.map(({ vector }) => vector),
      rows.length * DIGEST_BYTES,
    ),
  }
}

function sameIds(batch: RecordBatch, expected: readonly string[], first: number): boolean {
  return batch.ids.every((id, row) => id === expected[first + row])
}
