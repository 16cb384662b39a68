import { OpsError, throwIfAborted } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import type { Progress } from '../core/progress.js'
import { BlobExistsError, BlobNotFoundError } from '../storage/blob-store.js'
import { copyAnew, copyVerbatim } from './copy-backup.js'
import { decodeDocument, encodeDocument, type DocumentKind } from './documents.js'
import { listBackups } from './list-backups.js'
import { MaintenanceLease } from './maintenance-lease.js'
import type { BackupHead } from './manifest.js'
import { ObjectCopier } from './object-copier.js'
import type { PendingExtent } from './object-writer.js'
import type { Repository } from './repository.js'

export interface CopyRepositoryJob {
  readonly from: Repository
  readonly to: Repository
  readonly backups: readonly BackupHead[]
  readonly actor: string
  readonly host: string
  /** For a target without conditional writes: the caller promises that nobody else maintains it. */
  readonly singleWriter: boolean
  /** Objects under way at once. */
  readonly concurrency: number
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export interface CopyReport {
  /** Ids, the oldest first. */
  readonly copied: readonly string[]
  /** Ids of those that were there already. */
  readonly present: readonly string[]
  /** Ids of those that are in the trash of the target: removed there on purpose. */
  readonly removed: readonly string[]
  /** Those that could not be copied, because they are damaged. */
  readonly failed: readonly FailedCopy[]
  /** Written. */
  readonly objects: number
  readonly bytes: number
}

export interface FailedCopy {
  readonly id: string
  readonly code: string
  readonly message: string
}

/** What belongs to a backup, beside its manifest, and goes with it. */
const COMPANIONS: readonly (readonly [folder: string, kind: DocumentKind])[] = [
  ['holds', 'hold'],
  ['tags', 'status'],
]

/**
 * Copies backups into another repository, the oldest first and each manifest last. What is there already is not
 * written again, so that a run that was stopped goes on where it was. Rejects with an error of a store, or as
 * locked (11); a damaged backup is told in the report, and the others are copied.
 */
export async function copyBackups(job: CopyRepositoryJob): Promise<CopyReport> {
  const { from, to, progress, signal } = job
  const lease = await MaintenanceLease.acquire({ ...job, repository: to, task: 'repo copy' })
  try {
    const verbatim = isSameKey(from, to)
    const copier = new ObjectCopier({ ...job, verbatim })
    const done = new Set<string>()
    const catalogues = new Map<string, readonly PendingExtent[]>()
    const [copied, present, removed]: [string[], string[], string[]] = [[], [], []]
    const failed: FailedCopy[] = []
    // First: no restore from the copy may bring back what was erased.
    await copyDocuments(job, 'erased', 'erasure')
    const there = await idsIn(to, 'backups', signal)
    const trash = await idsIn(to, 'trash', signal)
    const heads = [...job.backups].sort((a, b) => (a.created < b.created ? -1 : 1))
    for (const head of heads) {
      throwIfAborted(signal)
      if (there.has(head.id)) present.push(head.id)
      else if (trash.has(head.id)) removed.push(head.id)
      else {
        await lease.confirm()
        try {
          const one = { ...job, copier, head, confirm: () => lease.confirmNow() }
          await (verbatim ? copyVerbatim(one, done) : copyAnew(one, catalogues))
          copied.push(head.id)
        } catch (error) {
          if (!isDamage(error)) throw error
          done.clear()
          catalogues.clear()
          failed.push({ id: head.id, code: error.code, message: error.message })
          progress.warn({ code: error.code, message: `${head.id} was not copied: ${error.message}` })
          continue
        }
      }
      if (!removed.includes(head.id)) await copyCompanions(job, head.id)
    }
    return { copied, present, removed, failed, ...copier.written }
  } finally {
    await lease.release()
  }
}

/** Whether stored bytes of the one can be read as they are in the other. */
export function isSameKey(from: Repository, to: Repository): boolean {
  if (from.cipher === null || to.cipher === null) return from.cipher === to.cipher
  const probe = '00'.repeat(32)
  return from.id === to.id && from.cipher.contentId(probe) === to.cipher.contentId(probe)
}

/** The backups to copy: all that can be read, with what is said of the others. */
export async function backupsToCopy(
  from: Repository,
  signal?: AbortSignal,
): Promise<{ readonly heads: readonly BackupHead[]; readonly damaged: readonly FailedCopy[] }> {
  const entries = await listBackups(from, { signal })
  return {
    heads: entries.flatMap(({ head }) => head ?? []),
    damaged: entries.flatMap(({ id, damaged }) =>
      damaged === null ? [] : { id, code: damaged.code, message: damaged.message },
    ),
  }
}

async function copyDocuments(
  { from, to, signal }: CopyRepositoryJob,
  folder: string,
  kind: DocumentKind,
): Promise<void> {
  const there = new Set<string>()
  for await (const { key } of to.store.list(`${folder}/`, signal)) there.add(key)
  for await (const { key } of from.store.list(`${folder}/`, signal))
    if (!there.has(key)) await copyDocument(from, to, { key, kind, signal })
}

async function copyCompanions({ from, to, signal }: CopyRepositoryJob, id: string): Promise<void> {
  for (const [folder, kind] of COMPANIONS) {
    try {
      await copyDocument(from, to, { key: `${folder}/${id}.json`, kind, signal })
    } catch (error) {
      // Most backups have none.
      if (!(error instanceof BlobNotFoundError)) throw error
    }
  }
}

async function copyDocument(
  from: Repository,
  to: Repository,
  { key, kind, signal }: { key: string; kind: DocumentKind; signal: AbortSignal | undefined },
): Promise<void> {
  const { bytes } = await from.store.get(key, { signal })
  const document = decodeDocument(from, kind, key, bytes)
  if (typeof document !== 'object' || document === null) return
  // The seal is made anew.
  const rest = Object.fromEntries(Object.entries(document).filter(([name]) => name !== 'sha256'))
  try {
    await to.store.putNew(key, encodeDocument(to, kind, key, rest), signal)
  } catch (error) {
    // The target has its own by now.
    if (!(error instanceof BlobExistsError)) throw error
  }
}

async function idsIn(
  { store }: Repository,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  const ids = new Set<string>()
  for await (const { key } of store.list(`${folder}/`, signal)) {
    const id = /\/(.+)\.json$/.exec(key)?.[1]
    if (id !== undefined) ids.add(id)
  }
  return ids
}

function isDamage(error: unknown): error is OpsError {
  return error instanceof OpsError && error.exitCode === ExitCode.integrity
}
