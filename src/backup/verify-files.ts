import { throwIfAborted } from '../core/errors.js'
import type { Progress } from '../core/progress.js'
import { ObjectDamagedError } from './errors.js'
import { blocksOf } from './file-reader.js'
import type { FileEntry, FileTable, Plane } from './file-table.js'
import { findingOf, type Finding } from './finding.js'
import type { ObjectReader } from './object-reader.js'
import { contentId, objectKey, sha256Hex, type ObjectReference } from './object-reference.js'

export interface VerifyFilesJob {
  readonly reader: ObjectReader
  readonly table: FileTable
  /** Keys of objects that are known to be damaged; files that need them are left out. */
  readonly damaged: ReadonlySet<string>
  /** Share of the files. */
  readonly sample: number
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/** Reads files block by block and compares each block with its content id. */
export async function verifyFiles(job: VerifyFilesJob): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  let done = 0
  for (const file of job.table.files) {
    throwIfAborted(job.signal)
    if (job.sample < 1 && Math.random() >= job.sample) continue
    for (const plane of file.planes) {
      if (needsDamaged(job, plane)) continue
      const finding = await verifyPlane(job, file, plane)
      if (finding !== null) findings.push(finding)
    }
    done += file.size
    job.progress.update({ task: 'files', phase: 'verify', done, unit: 'bytes', bytes: done })
  }
  job.progress.update({ task: 'files', phase: 'verify', done, unit: 'bytes', bytes: done, state: 'done' })
  return findings
}

async function verifyPlane(
  { reader, table, signal }: VerifyFilesJob,
  file: FileEntry,
  plane: Plane,
): Promise<Finding | null> {
  const stored = plane.blocks.filter((block) => typeof block !== 'number')
  let index = 0
  try {
    for await (const piece of blocksOf({ objects: reader, table, file, signal }, plane)) {
      if (typeof piece === 'number') continue
      const block = stored[index++]
      if (block === undefined || contentId(sha256Hex(piece)) === block[2]) continue
      const key = objectKeyOf(table.objects[block[0]])
      const damage = { key, backup: reader.backup, collection: null }
      throw new ObjectDamagedError(
        'inconsistent',
        damage,
        `does not hold the block of ${file.path} it should`,
      )
    }
    return null
  } catch (error) {
    if (!(error instanceof ObjectDamagedError)) throw error
    return findingOf(error, [])
  }
}

function needsDamaged({ table, damaged }: VerifyFilesJob, { blocks }: Plane): boolean {
  return blocks.some(
    (block) => typeof block !== 'number' && damaged.has(objectKeyOf(table.objects[block[0]])),
  )
}

function objectKeyOf(reference: ObjectReference | undefined): string {
  return reference === undefined ? 'an object' : objectKey(reference)
}
