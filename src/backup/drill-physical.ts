import { ChromaApi } from '../chroma/api.js'
import { connectTransport } from '../chroma/connect.js'
import { startEmbeddedServer } from '../chroma/embedded-server.js'
import { claimDirectory } from '../chroma/server-directory.js'
import { GuardError } from '../core/errors.js'
import { displayName } from '../core/records.js'
import type { DrillJob } from './drill-backup.js'
import { drillReport, probeAll, type DrillTimes } from './drill-probes.js'
import type { DrillReport } from './drill-report.js'
import { openBackupRecords } from './open-records.js'
import { verifyAgainst, type AgainstReport } from './verify-against.js'
import { writeFiles } from './write-files.js'

/**
 * Tries out a physical backup: a server on a copy of its files must give every record that the files hold, and
 * find them by their vectors.
 */
export async function drillPhysical(job: DrillJob, directory: string): Promise<DrillReport> {
  const { head, repository, tempDir, progress, signal } = job
  if (head.status !== 'complete' && job.allowPartial !== true)
    throw new GuardError('RESTORE_PARTIAL', `backup ${head.id} is partial`, {
      hint: '--allow-partial tries out what there is',
    })
  const started = job.now().getTime()
  await claimDirectory(directory)
  const { bytes } = await writeFiles({ ...job, folder: directory, durable: false })
  const written = job.now().getTime()
  const server = await startEmbeddedServer({ directory, cacheDir: job.cacheDir, ...(signal && { signal }) })
  try {
    const ready = job.now().getTime()
    // A second copy: the server works on the first one.
    const records = await openBackupRecords({ repository, head, tempDir, erasures: null, progress, signal })
    const transport = await connectTransport({ url: server.url, ...(signal && { signal }) })
    try {
      const api = new ChromaApi(transport)
      const compared = await verifyAgainst({ ...job, api, records })
      const restored = job.now().getTime()
      const collections = await probeAll({ job, api, records, collections: tried(compared) })
      const times: DrillTimes = {
        recoveryMs: ready - started,
        serverStartMs: ready - written,
        restoreMs: written - started + (restored - ready),
        probeMs: job.now().getTime() - restored,
      }
      const findings = compared.collections
        .filter(({ status }) => status !== 'equal')
        .map(({ target, status }) => `${displayName(target)}: a server on the files gives it ${status}`)
      return drillReport(job, { collections, findings, records: compared.records, bytes, times })
    } finally {
      await transport.close()
      await records.close()
    }
  } finally {
    await server.stop()
  }
}

function tried({ collections }: AgainstReport) {
  return collections
    .filter(({ status }) => status !== 'missing')
    .map(({ source, target, comparison, warnings }) => ({
      source,
      target,
      records: comparison?.records ?? 0,
      comparison,
      warnings,
    }))
}
