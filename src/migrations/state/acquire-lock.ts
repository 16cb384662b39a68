import { randomUUID } from 'node:crypto'

import { sleep } from '../../core/abort.js'
import { throwIfAborted } from '../../core/errors.js'
import { STALE_LOCK_PREFIX } from '../../core/migration-keys.js'
import { identifyProcess } from '../../core/process-identity.js'
import { MigrationLock } from './lock.js'
import { momentOf, systemLockClock, type LockClock } from './lock-clock.js'
import { LockHeldError } from './lock-errors.js'
import { DEFAULT_LOCK_TTL_MS, lockInfo, type LockFacts, type LockInfo } from './lock-info.js'
import { createLock, deleteSetAside, listSetAside, setAside, type LockPlace } from './lock-requests.js'
import { isDead, LockWatch } from './watch-lock.js'

const MAX_POLL_MS = 500
/** Looks at a lock during its time to live. */
const POLLS = 20

export interface LockJob extends LockPlace {
  /** Who runs this, for people. */
  readonly owner: string
  readonly runId: string
  readonly phase?: string
  /** How long another run is waited for; 0: not at all, `Infinity`: for ever. */
  readonly waitMs: number
  /** Default 60 s. */
  readonly ttlMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Another run holds it: called once for each. */
  readonly onWait?: ((holder: LockInfo) => void) | undefined
  readonly clock?: LockClock | undefined
  /** False: also a process of this machine that is gone is waited for. Default true. */
  readonly looksForDeadProcesses?: boolean | undefined
}

/**
 * Takes the lock of a database; what was read before must be read again now. A run that is dead is replaced: at
 * once when it ran on this machine, else when it has been silent for its time to live, if `waitMs` is as long.
 *
 * Rejects with a {@link LockHeldError} (11), a LockForeignError (15), a StateUnsupportedError (16), and with what
 * the server says.
 */
export async function acquireLock(job: LockJob): Promise<MigrationLock> {
  const { clock = systemLockClock, signal, waitMs } = job
  const started = clock.steady()
  const watch = new LockWatch(clock)
  let waitedFor: string | null = null
  for (let mayBeFree = true; ;) {
    throwIfAborted(signal)
    const lock = mayBeFree ? await tryOnce(job, clock) : null
    if (lock !== null) return lock
    const holder = await watch.look(job, signal)
    mayBeFree = holder === null
    if (holder === null) continue
    const silentMs = watch.silentMs
    if (silentMs > holder.ttlMs || (job.looksForDeadProcesses !== false && (await isDead(holder.process)))) {
      await setAside(job, holder, STALE_LOCK_PREFIX, signal)
      mayBeFree = true
      continue
    }
    const watchedMs = clock.steady() - started
    if (watchedMs >= waitMs) throw new LockHeldError(holder, silentMs, watchedMs)
    if (waitedFor !== holder.id) job.onWait?.(holder)
    waitedFor = holder.id
    const pollMs = Math.min(MAX_POLL_MS, holder.ttlMs / POLLS) * (0.5 + Math.random())
    await sleep(Math.min(pollMs, waitMs - watchedMs), signal)
  }
}

/** Null: another one was faster. */
async function tryOnce(job: LockJob, clock: LockClock): Promise<MigrationLock | null> {
  const { api, tenant, database, signal } = job
  const place = { api, tenant, database }
  const began = momentOf(clock)
  const info = await createLock(place, await factsOf(job, clock), signal)
  if (info === null) return null
  const fenced: LockInfo[] = []
  const lock = new MigrationLock({ place, info, began, clock, fenced })
  try {
    fenced.push(...(await sweep(place, signal)))
    await lock.check()
    return lock
  } catch (error) {
    await lock.release()
    throw error
  }
}

/**
 * Removes every lock that was set aside, so that a run that was only frozen never gets its lock back. Before any
 * work: who sets a lock aside may lose the race for the new one, or die.
 */
export async function sweep(place: LockPlace, signal: AbortSignal | undefined): Promise<readonly LockInfo[]> {
  const fenced: LockInfo[] = []
  for (const collection of await listSetAside(place, signal)) {
    const info = lockInfo(collection)
    await deleteSetAside(place, info, signal)
    if (info.name.startsWith(STALE_LOCK_PREFIX)) fenced.push(info)
  }
  return fenced
}

async function factsOf(job: LockJob, clock: LockClock): Promise<LockFacts> {
  const now = clock.wall().toISOString()
  return {
    owner: job.owner,
    process: await identifyProcess(process.pid),
    runId: job.runId,
    phase: job.phase ?? '',
    beat: 0n,
    ttlMs: job.ttlMs ?? DEFAULT_LOCK_TTL_MS,
    since: now,
    lastBeat: now,
    token: randomUUID(),
  }
}
