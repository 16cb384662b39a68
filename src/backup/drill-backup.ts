import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'

import { ChromaApi } from '../chroma/api.js'
import { connectTransport } from '../chroma/connect.js'
import { startEmbeddedServer } from '../chroma/embedded-server.js'
import type { Progress } from '../core/progress.js'
import { displayName } from '../core/records.js'
import { probeQueries, type ProbeFigures } from '../transfer/probe-queries.js'
import type { RestoreSummary } from '../transfer/restore-plan.js'
import { SourceRecords } from '../transfer/source-records.js'
import { BackupSource } from './backup-source.js'
import type { DrillReport, DrilledCollection } from './drill-report.js'
import { Erasures } from './erasures.js'
import type { BackupHead } from './manifest.js'
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

const PROBES = 10
const NEIGHBOURS = 10
/** Below this an index with usual parameters is not as it should be. */
const POOR_RECALL = 0.8

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
    return await drillIn(job, directory)
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
      const summary = await restoreBackup({ ...job, api, mode: 'create', compare: true })
      const restored = job.now().getTime()
      const collections = await probeAll(job, api, summary)
      return report(job, summary, collections, {
        recoveryMs: restored - started,
        serverStartMs: ready - started,
        restoreMs: restored - ready,
        probeMs: job.now().getTime() - restored,
      })
    } finally {
      await transport.close()
    }
  } finally {
    await server.stop()
  }
}

async function probeAll(
  job: DrillJob,
  api: ChromaApi,
  summary: RestoreSummary,
): Promise<DrilledCollection[]> {
  const erasures = await Erasures.read(job.repository, job.signal)
  const source = new BackupSource(job.repository, job.head, job.progress, erasures)
  const definitions = new Map(
    (await source.listCollections(job.signal)).map((definition) => [displayName(definition), definition]),
  )
  const drilled: DrilledCollection[] = []
  for (const { source: name, target, records, comparison, warnings } of summary.collections) {
    const definition = definitions.get(displayName(name))
    const probes: ProbeFigures =
      definition === undefined
        ? { queries: 0, recall: null, short: 0 }
        : await probeQueries({
            api,
            collection: await api.getCollection(target, job.signal),
            open: () => SourceRecords.open(source, definition, job.signal),
            queries: job.probes ?? PROBES,
            neighbours: NEIGHBOURS,
            signal: job.signal,
          })
    drilled.push({ ...name, records, comparison, probes, warnings })
  }
  return drilled
}

function report(
  { head }: DrillJob,
  summary: RestoreSummary,
  collections: readonly DrilledCollection[],
  times: Pick<DrillReport, 'recoveryMs' | 'serverStartMs' | 'restoreMs' | 'probeMs'>,
): DrillReport {
  const findings = [...summary.warnings.map(({ message }) => message), ...collections.flatMap(findingsOf)]
  return {
    backup: head.id,
    status: findings.length > 0 ? 'findings' : 'ok',
    collections,
    findings,
    records: summary.records,
    bytes: summary.bytes,
    ...times,
    exitCode: findings.length > 0 ? 3 : 0,
  }
}

function findingsOf({ probes, ...name }: DrilledCollection): readonly string[] {
  const { queries, recall, short } = probes
  if (short > 0)
    return [`${displayName(name)}: ${short} of ${queries} queries found fewer records than there are`]
  return recall !== null && recall < POOR_RECALL
    ? [`${displayName(name)}: queries found ${Math.round(recall * 100)} % of the nearest records`]
    : []
}
