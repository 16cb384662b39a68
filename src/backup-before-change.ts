import { BackupError, BackupNotFoundError } from './backup/errors.js'
import { HOLD, putMark, VERIFIED } from './backup/backup-marks.js'
import { createBackup } from './backup/create-backup.js'
import type { BackupHead } from './backup/manifest.js'
import type { Repository } from './backup/repository.js'
import { resolveBackup } from './backup/resolve-backup.js'
import { restoreBackup } from './backup/restore-backup.js'
import { whileRestoring } from './backup/restore-session.js'
import { BackupRunningError, waitForSeries } from './backup/running-sessions.js'
import { verifyBackup } from './backup/verify-backup.js'
import type { ChromaApi } from './chroma/api.js'
import { ServerSource } from './chroma/server-source.js'
import { IntegrityError } from './core/errors.js'
import type { Progress } from './core/progress.js'
import { displayName, type CollectionName, type RecordSource } from './core/records.js'
import { shellWord } from './core/shell-word.js'
import type { BackupBeforeChange } from './migrations/backup-port.js'
import type { BackupReference } from './migrations/state/row.js'
import { removeProbes, probePrefix } from './storage/probe-conditions.js'

/** Where the backups of {@link backupBeforeChange} go, and on whose behalf they are made. */
export interface BackupBeforeChangeJob {
  /** Asked for at the first use only; rejects when there is none. */
  readonly repository: () => Promise<Repository>
  readonly api: ChromaApi
  /** The series of the server's other backups: what they hold already is not stored again. */
  readonly series: string
  readonly actor: string
  readonly host: string
  readonly toolVersion: string
  readonly tempDir: string
  /** Where a restore keeps a small journal; absent: nowhere. */
  readonly stateDir?: string | undefined
  /** False: the repository must not be written to, so whether that could be done stays open. */
  readonly mayProbe?: boolean | undefined
  readonly concurrency?: number | undefined
  readonly now: () => Date
  readonly progress: Progress
}

/** How long `prune` leaves such a backup alone. */
export const HOLD_DAYS = 30

const DAY_MS = 86_400_000

/**
 * Backups of single collections right before a migration changes them. Each is read back record by record, and
 * held for {@link HOLD_DAYS} days.
 */
export function backupBeforeChange(job: BackupBeforeChangeJob): BackupBeforeChange {
  return {
    async check(signal) {
      const { store } = await job.repository()
      if (job.mayProbe === false) return
      const key = `${probePrefix()}migration`
      await store.put(key, new Uint8Array(0), signal)
      await removeProbes(store, [key])
    },
    create: (collections, signal) => create(job, collections, signal),
    restore: (reference, collection, signal) => restore(job, reference, collection, signal),
  }
}

async function create(
  job: BackupBeforeChangeJob,
  collections: readonly CollectionName[],
  signal: AbortSignal,
): Promise<BackupReference> {
  const repository = await job.repository()
  const head = await whenItsTurn(job, repository, signal, () => backUp(job, repository, collections, signal))
  const { progress, concurrency, actor, now } = job
  const report = await verifyBackup({ repository, head, depth: 'records', progress, concurrency, signal })
  if (report.status !== 'ok')
    throw new IntegrityError(`the backup ${head.id} is damaged, so nothing has been changed`, {
      hint: `see what is wrong with the store: "chroma-ops backup verify ${head.id}"`,
    })
  const verified = now()
  await putMark(
    repository,
    VERIFIED,
    head.id,
    { verified: verified.toISOString(), how: 'records', actor },
    signal,
  )
  const hold = {
    reason: 'made before a migration',
    until: new Date(verified.getTime() + HOLD_DAYS * DAY_MS).toISOString(),
    actor,
    since: verified.toISOString(),
  }
  await putMark(repository, HOLD, head.id, hold, signal)
  return { repository: repository.store.displayUrl, id: head.id }
}

async function backUp(
  job: BackupBeforeChangeJob,
  repository: Repository,
  collections: readonly CollectionName[],
  signal: AbortSignal,
): Promise<BackupHead> {
  const { api, series, actor, host, toolVersion, tempDir, now, progress, concurrency } = job
  const tenants = [...new Set(collections.map(({ tenant }) => tenant))]
  const databases = [...new Set(collections.map(({ database }) => database))]
  const { claimedVersion, atLeast, evidence } = await api.fingerprint(signal)
  const { head } = await createBackup({
    repository,
    source: only(
      collections,
      new ServerSource({
        api,
        tempDir,
        scope: { tenants, databases },
        ...(concurrency !== undefined && { concurrency }),
      }),
    ),
    target: {
      url: api.transport.displayUrl,
      fingerprint: { claimedVersion, atLeast, evidence: evidence.join('; ') },
    },
    scope: { tenants, databases },
    series,
    tags: { reason: 'migration' },
    type: 'collection',
    collections: collections.map(displayName),
    // An empty collection can be what a migration drops.
    allowEmpty: true,
    allowShrink: true,
    actor,
    host,
    toolVersion,
    now,
    progress,
    signal,
    concurrency,
  })
  if (head.status !== 'complete')
    throw new BackupError(`the backup ${head.id} does not have everything, so nothing has been changed`, {
      hint: `see what it lacks: "chroma-ops backup show ${head.id}"`,
    })
  return head
}

/** A nightly backup of the same series comes first. */
async function whenItsTurn<T>(
  { series, progress }: BackupBeforeChangeJob,
  repository: Repository,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof BackupRunningError)) throw error
      progress.warn({ code: 'BACKUP_RUNNING', message: `${error.message}; waiting for its end` })
      await waitForSeries(repository, series, { signal })
    }
  }
}

/** Exactly these, whatever a pattern of their names would match beside them. */
function only(collections: readonly CollectionName[], source: RecordSource): RecordSource {
  const wanted = new Set(collections.map(displayName))
  return {
    displayUrl: source.displayUrl,
    listCollections: async (signal) =>
      (await source.listCollections(signal)).filter((definition) => wanted.has(displayName(definition))),
    openCollection: (definition, signal) => source.openCollection(definition, signal),
    close: () => source.close(),
  }
}

async function restore(
  job: BackupBeforeChangeJob,
  reference: BackupReference,
  collection: CollectionName,
  signal: AbortSignal,
): Promise<void> {
  const repository = await job.repository()
  const { api, actor, host, stateDir, concurrency, now, progress } = job
  const head = await find(repository, reference, signal)
  const common = { repository, head, now, progress, signal }
  await whileRestoring({ ...common, actor, host }, () =>
    restoreBackup({
      ...common,
      api,
      collections: [displayName(collection)],
      mode: 'replace',
      stateDir,
      concurrency,
    }),
  )
}

async function find(
  repository: Repository,
  { repository: where, id }: BackupReference,
  signal: AbortSignal,
): Promise<BackupHead> {
  try {
    return await resolveBackup(repository, id, { signal })
  } catch (error) {
    const here = repository.store.displayUrl
    if (!(error instanceof BackupNotFoundError) || where === here) throw error
    throw new BackupNotFoundError(`the backup ${id} is not in ${here}`, {
      hint: `it was made in another repository: give --repo ${shellWord(where)}`,
      cause: error,
    })
  }
}
