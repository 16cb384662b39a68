import type { ServerOptions } from '../../chroma/transport.js'
import { ChromaApi } from '../../chroma/api.js'
import { connectTransport } from '../../chroma/connect.js'
import { OpsError, throwIfAborted } from '../../core/errors.js'
import { displayName } from '../../core/records.js'
import type { Progress } from '../../core/progress.js'
import { checkHealth } from '../check-health.js'
import type { HealthLevel, HealthReport } from '../report.js'
import { compareIds, type DirectoryIds } from './compare-ids.js'
import type { DirectoryCollection, ViewDifference } from './directory-report.js'

/** What the directory holds, according to its files. */
export interface OfflineView {
  readonly tenants: readonly string[]
  readonly collections: readonly DirectoryCollection[]
  /** Null when the collection has no records that could be told. */
  readonly idsOf: (collection: DirectoryCollection) => DirectoryIds | null
}

export interface ComparedViews {
  readonly report: HealthReport
  readonly differences: readonly ViewDifference[]
}

/**
 * Asks a server for what the directory holds: every collection, its ids, and at level `deep` every vector;
 * samples at `ready`. What the server finds wrong with a collection is a difference if the files have it whole.
 */
export async function compareViews(job: {
  readonly server: ServerOptions | ChromaApi
  readonly offline: OfflineView
  readonly level: HealthLevel
  /** Counts the records of a collection in the directory again: what is written meanwhile is no difference. */
  readonly recount?: (collection: DirectoryCollection) => Promise<number | null>
  readonly progress: Progress
  readonly signal: AbortSignal | undefined
}): Promise<ComparedViews> {
  const { offline, signal } = job
  const report = await checkHealth({
    server: job.server,
    level: job.level,
    scope: { tenants: offline.tenants, databases: null, selection: { include: [], exclude: [] } },
    deadlineMs: null,
    progress: job.progress,
    ...(signal && { signal }),
  })
  if (job.level === 'live' || !report.reachable) return { report, differences: [] }
  const differences = await differencesOf(report, job)
  const ids = await withApi(job, (api) => idDifferences(api, report, job))
  return { report, differences: [...differences, ...ids] }
}

async function withApi<T>(
  { server, signal }: Parameters<typeof compareViews>[0],
  work: (api: ChromaApi) => Promise<T>,
): Promise<T> {
  if (server instanceof ChromaApi) return work(server)
  const transport = await connectTransport({ ...server, ...(signal && { signal }) })
  try {
    return await work(new ChromaApi(transport))
  } finally {
    await transport.close()
  }
}

async function idDifferences(
  api: ChromaApi,
  report: HealthReport,
  { offline, signal }: Parameters<typeof compareViews>[0],
): Promise<readonly ViewDifference[]> {
  const differences: ViewDifference[] = []
  for (const collection of offline.collections) {
    const ids = offline.idsOf(collection)
    const other = report.collections.find(({ id }) => id === collection.id)
    // What the server cannot even count has been told.
    if (ids === null || other?.records == null) continue
    const texts = await compareIds({ api, collection, ids, signal }).catch((error: unknown) => {
      throwIfAborted(signal)
      // Of a damaged database, which is told elsewhere, or of a server that stopped answering.
      if (error instanceof OpsError) return [`its ids cannot be compared: ${error.message}`]
      throw error
    })
    differences.push(...texts.map((text) => ({ collection: displayName(collection), text })))
  }
  return differences
}

async function differencesOf(
  report: HealthReport,
  { offline, recount }: Parameters<typeof compareViews>[0],
): Promise<readonly ViewDifference[]> {
  const served = new Map(report.collections.map((collection) => [displayName(collection), collection]))
  const differences: ViewDifference[] = []
  for (const collection of offline.collections) {
    const name = displayName(collection)
    const other = served.get(name)
    served.delete(name)
    const add = (text: string) => differences.push({ collection: name, text })
    if (other === undefined) {
      const finding = report.findings.find((candidate) => candidate.collection === name)
      add(finding === undefined ? 'the server does not have it' : `the server: ${finding.evidence}`)
      continue
    }
    if (other.id !== collection.id) add(`another collection has this name: ${other.id}`)
    const { records } = collection
    if (other.records !== null && records !== null && other.records !== records) {
      const later = (await recount?.(collection)) ?? records
      const isBetween = (other.records - records) * (other.records - later) <= 0
      if (!isBetween) add(`${other.records} records through the server, ${later} in the directory`)
    }
    const bad = report.findings.filter(
      ({ collection: of, severity }) => of === name && severity === 'critical',
    )
    if (collection.vectors.lost === 0) for (const { evidence } of bad) add(`the server: ${evidence}`)
    if (other.vectors.lost > 0 && collection.vectors.lost > 0 && other.vectors.lost > collection.vectors.lost)
      add(
        `${other.vectors.lost} vectors lost through the server, ${collection.vectors.lost} in the directory`,
      )
  }
  for (const name of served.keys())
    differences.push({ collection: name, text: 'only the server has it, not the directory' })
  return differences
}
