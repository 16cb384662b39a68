import { ExitCode } from '../core/exit-code.js'
import { displayName } from '../core/records.js'
import { prepareRescue, type Rescue } from '../datadir/rescue.js'
import type { RescuedCollection, RescueSourceParts } from '../datadir/rescue-source.js'
import type { BackupJob } from './backup-job.js'
import { createBackup } from './create-backup.js'
import type { BackupHead, CollectionEntry } from './manifest.js'

export interface RescueDirectoryJob extends Omit<
  BackupJob,
  'source' | 'target' | 'scope' | 'allowEmpty' | 'allowShrink' | 'repository'
> {
  readonly directory: string
  /** Null: read everything and say what could be had, but write nothing. */
  readonly repository: BackupJob['repository'] | null
  /** For a private copy of the directory. */
  readonly tempDir: string
  /** See `prepareRescue`; default: no. */
  readonly matchByOrder?: boolean | undefined
  /** Hears of every record and what could be had of it. */
  readonly onRecord?: RescueSourceParts['onRecord'] | undefined
}

export interface RescueReport {
  readonly directory: string
  /** What is wrong with the directory as a whole, one sentence each. */
  readonly notes: readonly string[]
  /** Sorted by tenant, database and name. */
  readonly collections: readonly RescuedCollection[]
  /** Collections that could not be read at all. */
  readonly failed: readonly { readonly collection: string; readonly code: string; readonly message: string }[]
  /** The backup that holds what could be had; null when nothing was written. */
  readonly backup: BackupHead | null
  /** 0: everything is whole. 3: something is lost. 4: vectors, or texts, are lost. */
  readonly exitCode: 0 | 3 | 4
}

/**
 * Reads everything that can still be had of a damaged data directory into a backup, on a private copy: nothing in
 * the directory is changed. The backup is `partial` when anything is lost. Rejects like `prepareRescue` and
 * `createBackup`.
 */
export async function rescueDirectory(job: RescueDirectoryJob): Promise<RescueReport> {
  const { directory, tempDir, matchByOrder = false, onRecord = () => {}, signal } = job
  const rescue = await prepareRescue({ directory, tempDir, matchByOrder, onRecord, signal })
  try {
    for (const message of rescue.notes) job.progress.warn({ code: 'DIRECTORY_DAMAGED', message })
    const { repository } = job
    if (repository === null) {
      await readAll(job, rescue)
      return reportOf(directory, rescue, null, [])
    }
    const { head, collections } = await createBackup({
      ...job,
      repository,
      source: rescue.source,
      target: { url: directory, fingerprint: { rescued: true, releases: rescue.releases } },
      scope: { tenants: [], databases: null },
      // A copy of files that somebody wrote to, for one: it must not become the latest of a series.
      isDoubtful: () => isDoubtful(rescue),
      allowEmpty: true,
      allowShrink: true,
    })
    return reportOf(directory, rescue, head, collections)
  } finally {
    await rescue.close()
  }
}

async function readAll({ progress, signal }: RescueDirectoryJob, { source }: Rescue): Promise<void> {
  for (const definition of await source.listCollections(signal)) {
    const task = displayName(definition)
    const reader = await source.openCollection(definition, signal)
    let done = 0
    for await (const { ids } of reader.batches(signal)) {
      done += ids.length
      progress.update({ task, phase: 'read', done, total: reader.expectedRecords, unit: 'records' })
    }
    progress.update({ task, phase: 'read', done, unit: 'records', state: 'done' })
  }
}

function reportOf(
  directory: string,
  rescue: Rescue,
  backup: BackupHead | null,
  entries: readonly CollectionEntry[],
): RescueReport {
  const { source, notes } = rescue
  const collections = [...source.rescued].sort((a, b) => (displayName(a) < displayName(b) ? -1 : 1))
  const failed = entries.flatMap((entry) =>
    entry.status === 'failed' && entry.error !== null
      ? [{ collection: displayName(entry), ...entry.error }]
      : [],
  )
  const isLost = collections.some(
    ({ records, whole, vectorsWithoutId }) => whole < records || vectorsWithoutId > 0,
  )
  const hasFindings = failed.length > 0 || isDoubtful(rescue)
  const exitCode = isLost ? ExitCode.critical : hasFindings ? ExitCode.findings : ExitCode.ok
  return { directory, notes, collections, failed, backup, exitCode }
}

function isDoubtful({ source, notes }: Rescue): boolean {
  return notes.length > 0 || source.rescued.some((each) => each.notes.length > 0)
}
