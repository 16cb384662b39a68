import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'

import { ChromaApi } from '../chroma/api.js'
import { connectTransport } from '../chroma/connect.js'
import { startEmbeddedServer } from '../chroma/embedded-server.js'
import type { Progress } from '../core/progress.js'
import { drillPhysical } from './drill-physical.js'
import { drillReport, probeAll } from './drill-probes.js'
import type { DrillReport } from './drill-report.js'
import { Erasures } from './erasures.js'
import type { BackupHead } from './manifest.js'
import { openBackupRecords } from './open-records.js'
import type { Repository } from './repository.js'
import { restoreBackup } from './restore-backup.js'

export type { DrilledCollection, DrillReport } from './drill-report.js'

export interface DrillJob {
  readonly repository: Repository
  readonly head: BackupHead
  /** Patterns `[[tenant/]database/]name`; empty or absent: every collection. */
  readonly collections?: readonly string[] | undefined
  readonly exclude?: readonly string[] | undefined
  readonly allowPartial?: boolean | undefined
  /** Where the temporary server may have its directory; as large as the backup, uncompressed, and more. */
  readonly tempDir: string
  /** Where an adapted copy of the server may be kept. */
  readonly cacheDir: string
  /** Probe queries for each collection; default 10, 0 for none. */
  readonly probes?: number | undefined
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/**
 * Restores a backup into a temporary server, compares every record, sends probe queries, and discards
 * everything: proof that the backup can be restored, and how long that takes.
 *
 * Rejects like `restoreBackup`, and with an EmbeddedServerError or an EmbeddedServerUnsupportedError (16).
 */
export async function drillBackup(job: DrillJob): Promise<DrillReport> {
  await mkdir(job.tempDir, { recursive: true })
  const directory = await mkdtemp(path.join(job.tempDir, 'chroma-ops-drill-'))
  try {
    return await (job.head.type === 'physical' ? drillPhysical : drillIn)(job, directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function drillIn(job: DrillJob, directory: string): Promise<DrillReport> {
  const started = job.now().getTime()
  const server = await startEmbeddedServer({
    directory,
    cacheDir: job.cacheDir,
    ...(job.signal && { signal: job.signal }),
  })
  try {
    const transport = await connectTransport({ url: server.url, ...(job.signal && { signal: job.signal }) })
    try {
      const ready = job.now().getTime()
      const api = new ChromaApi(transport)
      const erasures = await Erasures.read(job.repository, job.signal)
      const records = await openBackupRecords({ ...job, erasures })
      const summary = await restoreBackup({ ...job, api, records, mode: 'create', compare: true })
      const restored = job.now().getTime()
      const collections = await probeAll({ job, api, records, collections: summary.collections })
      const times = {
        recoveryMs: restored - started,
        serverStartMs: ready - started,
        restoreMs: restored - ready,
        probeMs: job.now().getTime() - restored,
      }
      const findings = summary.warnings.map(({ message }) => message)
      return drillReport(job, {
        collections,
        findings,
        records: summary.records,
        bytes: summary.bytes,
        times,
      })
    } finally {
      await transport.close()
    }
  } finally {
    await server.stop()
  }
}
