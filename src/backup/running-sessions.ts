import * as v from 'valibot'

import { OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { stateOfProcess, type ProcessIdentity } from '../core/process-identity.js'
import { sleep } from '../core/abort.js'
import { BlobNotFoundError, type BlobInfo } from '../storage/blob-store.js'
import { parseBackupId } from './backup-id.js'
import { decodeDocument } from './documents.js'
import { DocumentDamagedError } from './errors.js'
import type { Repository } from './repository.js'

/** A run that is at work with a repository, or was when it was killed. */
export interface RunningSession {
  /** The id of the backup that is being made; of another run an id of the same form. */
  readonly backup: string
  readonly series: string
  readonly kind: 'backup' | 'restore' | 'push'
  /** Null when its record is damaged. */
  readonly host: string | null
  readonly actor: string | null
  /** ISO 8601. */
  readonly began: string | null
  readonly heartbeat: string | null
  /** Since its last sign of life, by the store's clock. */
  readonly silentMs: number
  /** `dead`: its process has ended, or it cannot be seen and has been silent for 3 minutes. */
  readonly state: 'running' | 'dead'
  /** False: it has just begun and may still give way to another run. */
  readonly settled: boolean
}

/** Another backup of the series is being made. */
export class BackupRunningError extends OpsError {
  override readonly code = 'BACKUP_RUNNING'
  override readonly exitCode = ExitCode.locked
  readonly session: RunningSession

  constructor(session: RunningSession) {
    const { backup, series, actor, host, began } = session
    super(
      `a backup of series ${series} is being made (${backup}, by ${actor ?? 'somebody'} on ${host ?? 'a machine'}, since ${began ?? 'some time'})`,
      { hint: '--if-running wait waits for its end; --if-running skip leaves it at that' },
    )
    this.session = session
  }
}

/** Ids of the sessions of this very process: its own record is no proof that the run still goes on. */
export const ownSessions = new Set<string>()

/** Six heartbeats. */
const SILENT_MS = 180_000

/** Every session there is, the oldest first. */
export async function listSessions(
  repository: Repository,
  signal?: AbortSignal,
): Promise<readonly RunningSession[]> {
  const infos: BlobInfo[] = []
  for await (const info of repository.store.list('sessions/', signal)) infos.push(info)
  if (infos.length === 0) return []
  const now = await repository.store.storeTime(signal)
  const found = []
  for (const info of infos) found.push(await readSession(repository, info, now, signal))
  return found.filter((session) => session !== null)
}

/**
 * Throws a {@link BackupRunningError} when another run makes a backup of the same series and `own` has to give way.
 * To be asked twice: after the own record was written, and again after it was written as settled. Whoever is settled
 * was first; of two that settle at the same moment each sees the other, and the smaller id goes on. Until it is known
 * what a smaller one will do, the larger one waits.
 */
export async function refuseRivals(
  repository: Repository,
  own: { readonly backup: string; readonly settled: boolean; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const { backup, signal } = own
  const series = parseBackupId(backup)?.series ?? ''
  for (let looks = 1; ; looks++) {
    const rivals = (await runningBackups(repository, series, signal)).filter((each) => each.backup !== backup)
    const first = rivals.find((each) => each.settled && (!own.settled || each.backup < backup))
    if (first !== undefined) throw new BackupRunningError(first)
    const undecided = rivals.find((each) => !each.settled && each.backup < backup)
    if (undecided === undefined) return
    // It has been about to begin for so long that it may be frozen.
    if (looks === LOOKS) throw new BackupRunningError(undecided)
    await sleep(LOOK_MS, signal)
  }
}

const LOOK_MS = 100
const LOOKS = 300

/** Resolves when no backup of the series is being made any more. */
export async function waitForSeries(
  repository: Repository,
  series: string,
  { pollMs = 2000, signal }: { readonly pollMs?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  for (;;) {
    if ((await runningBackups(repository, series, signal)).length === 0) return
    await sleep(pollMs, signal)
  }
}

async function runningBackups(repository: Repository, series: string, signal: AbortSignal | undefined) {
  const sessions = await listSessions(repository, signal)
  return sessions.filter(
    (session) => session.series === series && session.kind === 'backup' && session.state === 'running',
  )
}

const text = v.nullish(v.string(), null)
const schema = v.object({
  kind: v.optional(v.picklist(['backup', 'restore', 'push']), 'backup'),
  began: text,
  heartbeat: text,
  host: text,
  actor: text,
  settled: v.optional(v.boolean(), true),
  process: v.nullish(
    v.object({
      pid: v.number(),
      startTime: v.nullable(v.string()),
      host: v.string(),
      boot: v.nullable(v.string()),
      pidNamespace: v.nullable(v.string()),
    }),
    null,
  ),
})

const UNREADABLE = {
  kind: 'backup',
  began: null,
  heartbeat: null,
  host: null,
  actor: null,
  settled: true,
  process: null,
} as const

async function readSession(
  repository: Repository,
  { key, modified }: BlobInfo,
  now: Date,
  signal: AbortSignal | undefined,
): Promise<RunningSession | null> {
  const backup = /^sessions\/(.+)\.json$/.exec(key)?.[1] ?? ''
  const series = parseBackupId(backup)?.series
  if (series === undefined) return null
  const document = await readDocument(repository, key, signal)
  if (document === null) return null
  const { process, ...facts } = document
  const silentMs = Math.max(0, now.getTime() - modified.getTime())
  const isDead = await hasEnded(backup, process, silentMs)
  return { backup, series, ...facts, silentMs, state: isDead ? 'dead' : 'running' }
}

/** Null: it ended since it was listed. One that cannot be read is one of which little is known. */
async function readDocument(repository: Repository, key: string, signal: AbortSignal | undefined) {
  try {
    const { bytes } = await repository.store.get(key, { signal })
    const parsed = v.safeParse(schema, decodeDocument(repository, 'session', key, bytes))
    return parsed.success ? parsed.output : UNREADABLE
  } catch (error) {
    if (error instanceof BlobNotFoundError) return null
    if (error instanceof DocumentDamagedError) return UNREADABLE
    throw error
  }
}

async function hasEnded(backup: string, process: ProcessIdentity | null, silentMs: number): Promise<boolean> {
  if (ownSessions.has(backup)) return false
  const state = process === null ? 'unknown' : await stateOfProcess(process)
  if (state === 'unknown') return silentMs > SILENT_MS
  // Alive, and yet not ours to see: then it is this process, which does not know of the run any more.
  return state === 'dead' || process?.pid === ownPid
}

const ownPid = process.pid
