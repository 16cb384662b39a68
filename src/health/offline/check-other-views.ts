import { displayName } from '../../core/records.js'
import { CurrentIds } from '../../datadir/current-ids.js'
import type { DataDirectory } from '../../datadir/data-directory.js'
import { inspectCollection } from '../../datadir/inspect-collection.js'
import { tablesOf } from '../../datadir/inspect-steps.js'
import type { Observation } from './catalogue.js'
import type { DirectoryHealthJob } from './check-directory.js'
import { compareViews, type OfflineView } from './compare-views.js'
import type {
  DirectoryCollection,
  DirectoryReport,
  ServerView,
  UpgradeReport,
  ViewDifference,
} from './directory-report.js'
import { rehearseUpgrade } from './rehearse-upgrade.js'
import { upgradeChanges } from './upgrade-changes.js'

interface ViewJob {
  readonly job: DirectoryHealthJob
  readonly directory: DataDirectory
  readonly collections: readonly DirectoryCollection[]
  readonly holder: DirectoryReport['holder']['state']
}

interface Seen<R> {
  readonly report: R | null
  readonly observations: readonly Observation[]
}

const NOT_ASKED = { report: null, observations: [] } as const

/** What changing to another version would mean, if that was asked for. */
export async function checkUpgrade(of: ViewJob): Promise<Seen<UpgradeReport>> {
  const { job, directory, collections } = of
  if (job.upgradeTo === undefined) return NOT_ASKED
  const from = directory.fingerprint.releases
  const { opening, changes } = upgradeChanges(directory, job.upgradeTo, collections)
  const base = { from, to: job.upgradeTo, opening, changes }
  if (opening === 'refused')
    return {
      report: { ...base, rehearsal: null },
      observations: [
        {
          id: 'UPGRADE_REFUSED',
          evidence: `Chroma ${job.upgradeTo} has fewer migrations than the directory (${from ?? 'unknown'})`,
        },
      ],
    }
  if (job.cacheDir === undefined) return { report: { ...base, rehearsal: null }, observations: [] }
  const rehearsal = await rehearseUpgrade({
    directory: job.path,
    offline: offlineView(of),
    tempDir: job.tempDir,
    cacheDir: job.cacheDir,
    progress: job.progress,
    signal: job.signal,
  })
  const { failure, differences } = rehearsal
  const report = { ...base, rehearsal }
  if (failure !== null)
    return { report, observations: [{ id: 'UPGRADE_REHEARSAL_FAILED', evidence: failure }] }
  return { report, observations: observed('UPGRADE_REHEARSAL_FAILED', differences, of) }
}

/** The view of a running server, if one was named. */
export async function checkServerView(of: ViewJob): Promise<Seen<ServerView>> {
  const { job } = of
  if (job.server === undefined) return NOT_ASKED
  const { report, differences } = await compareViews({
    server: job.server,
    offline: offlineView(of),
    level: job.level,
    recount: (collection) => recount(of, collection),
    progress: job.progress,
    signal: job.signal,
  })
  const view = { url: report.url, collections: report.collections.length, differences }
  if (report.reachable) return { report: view, observations: observed('SERVER_DIFFERS', differences, of) }
  const evidence = report.findings[0]?.evidence ?? `${report.url} does not answer`
  return { report: view, observations: [{ id: 'SERVER_UNREACHABLE', evidence }] }
}

async function recount({ directory, job }: ViewJob, { id }: DirectoryCollection): Promise<number | null> {
  const definition = directory.collections().find((candidate) => candidate.id === id)
  if (definition === undefined) return null
  const { signal } = job
  const facts = await inspectCollection({ directory, definition, thorough: false, live: true, signal })
  return facts?.records.records ?? null
}

function offlineView({ directory, collections }: ViewJob): OfflineView {
  const { database } = directory
  const tenants = tablesOf(database).has('tenants')
    ? database.all('SELECT id FROM tenants ORDER BY id').map(({ id }) => String(id))
    : ['default_tenant']
  const idsOf = ({ id, records }: DirectoryCollection) => {
    const segment = directory.segments.find(
      ({ collectionId, scope }) => collectionId === id && scope === 'METADATA',
    )
    return segment === undefined || records === null ? null : new CurrentIds(database, id, segment.id)
  }
  return { tenants, collections, idsOf }
}

function observed(
  id: 'SERVER_DIFFERS' | 'UPGRADE_REHEARSAL_FAILED',
  differences: readonly ViewDifference[],
  { collections }: ViewJob,
): readonly Observation[] {
  return differences.map(({ collection, text }) => {
    const known = collections.find((candidate) => displayName(candidate) === collection)
    return known === undefined
      ? { id, evidence: `${collection}: ${text}` }
      : { id, collection: known, evidence: text }
  })
}
