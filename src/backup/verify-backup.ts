import pLimit from 'p-limit'

import { UsageError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import type { Progress } from '../core/progress.js'
import { ObjectDamagedError } from './errors.js'
import { findingOf, type Finding } from './finding.js'
import { findBackupsUsing } from './find-users.js'
import { readEntry } from './list-backups.js'
import { manifestKey, type BackupHead } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import type { Repository } from './repository.js'
import { verifyFiles } from './verify-files.js'
import { takeInventory, type Inventory } from './verify-inventory.js'
import { verifyRecords } from './verify-records.js'
import type { VerifyProblem, VerifyReport } from './verify-report.js'

const CONCURRENT_READS = 4

export interface VerifyJob {
  readonly repository: Repository
  readonly head: BackupHead
  /** Share of the objects to read, above 0 up to 1; absent: all. Which ones is decided by chance. */
  readonly sample?: number | undefined
  /** `stored` if absent: the checksums of manifest, catalogues and objects prove that all is as it was written. */
  readonly depth?: 'stored' | 'records' | undefined
  /** Objects read at the same time; default 4. */
  readonly concurrency?: number | undefined
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads a backup and compares it with its own checksums. Damage is in the report, it does not reject; errors
 * of the store do.
 */
export async function verifyBackup(job: VerifyJob): Promise<VerifyReport> {
  const { repository, head, progress, signal, sample = 1, depth = 'stored' } = job
  if (!(sample > 0 && sample <= 1))
    throw new UsageError(`a sample is a share above 0 and up to 1, not ${sample}`)
  const started = performance.now()
  const reader = new ObjectReader({ repository, backup: head.id, progress })
  const findings = await manifestFindings(job)
  const inventory = await takeInventory({ repository, head, reader, signal })
  findings.push(...inventory.findings)
  const checked = await verifyObjects(job, reader, inventory, sample)
  findings.push(...checked.findings)
  if (depth === 'records') {
    const damaged = new Set(findings.map(({ key }) => key))
    if (inventory.table !== null)
      findings.push(
        ...(await verifyFiles({ reader, table: inventory.table, damaged, sample, progress, signal })),
      )
    findings.push(...(await verifyRecords({ reader, inventory, damaged, sample, progress, signal })))
  }
  return {
    backup: head.id,
    series: head.series,
    type: head.type,
    status: findings.length === 0 ? 'ok' : 'damaged',
    sample,
    depth,
    objects: {
      total: inventory.objects.size + inventory.read.size,
      checked: checked.objects + inventory.read.size,
      bytes: checked.bytes + [...inventory.read.values()].reduce((sum, { size }) => sum + size, 0),
      reread: reader.rereadObjects,
    },
    collections: head.counts.collections,
    records: head.counts.records,
    problems: await withUsers(job, findings),
    durationMs: Math.round(performance.now() - started),
    exitCode: findings.length === 0 ? ExitCode.ok : ExitCode.integrity,
  }
}

async function manifestFindings({ repository, head, signal }: VerifyJob): Promise<Finding[]> {
  const key = manifestKey(head.id)
  const entry = await readEntry(repository, head.id, head.series, signal)
  const code = 'MANIFEST_DAMAGED'
  if (entry === null)
    return [{ code, problem: 'manifest', key, message: `${key} is missing`, collections: [] }]
  if (entry.damaged === null) return []
  return [{ code, problem: 'manifest', key, message: entry.damaged.message, collections: [] }]
}

async function verifyObjects(
  { progress, concurrency, signal }: VerifyJob,
  reader: ObjectReader,
  inventory: Inventory,
  sample: number,
) {
  const all = [...inventory.objects.values()]
  const chosen = all.filter(() => sample === 1 || Math.random() < sample)
  const [first] = all
  if (chosen.length === 0 && first !== undefined) chosen.push(first)
  const findings: Finding[] = []
  const limit = pLimit(concurrency ?? CONCURRENT_READS)
  let objects = 0
  let bytes = 0
  await limit.map(chosen, async ({ reference, collections }) => {
    try {
      await reader.readStored(reference, { collection: null, signal })
    } catch (error) {
      if (!(error instanceof ObjectDamagedError)) throw error
      findings.push(findingOf(error, collections))
    }
    objects++
    bytes += reference.size
    progress.update({
      task: 'verify',
      phase: 'verify',
      done: objects,
      total: chosen.length,
      unit: 'objects',
      bytes,
      ...(objects === chosen.length && { state: 'done' }),
    })
  })
  return { objects, bytes, findings }
}

async function withUsers(job: VerifyJob, findings: readonly Finding[]): Promise<readonly VerifyProblem[]> {
  if (findings.length === 0) return []
  const keys = new Set(findings.map(({ key }) => key))
  const users = await findBackupsUsing(job.repository, keys, job.signal)
  return findings.map((finding) => {
    const others = (users.get(finding.key) ?? []).filter((id) => id !== job.head.id)
    return { ...finding, backups: [job.head.id, ...others] }
  })
}
