import { sleep } from '../../core/abort.js'
import { identifyProcess, stateOfProcess, type ProcessIdentity } from '../../core/process-identity.js'
import { systemLockClock, type LockClock } from './lock-clock.js'
import type { LockInfo } from './lock-info.js'
import { findLock, type LockPlace } from './lock-requests.js'

const MAX_POLL_MS = 1_000
const POLLS = 20

/** How long a lock gives no sign of life, by this process's own steady clock. */
export class LockWatch {
  readonly #clock: LockClock
  #sign = ''
  #since = 0
  #silentMs = 0

  constructor(clock: LockClock) {
    this.#clock = clock
  }

  /** Null: nobody holds it. */
  async look(place: LockPlace, signal: AbortSignal | undefined): Promise<LockInfo | null> {
    const asked = this.#clock.steady()
    const holder = await findLock(place, signal)
    const sign = holder === null ? '' : `${holder.id} ${holder.beat}`
    if (sign === this.#sign) {
      // The sign may have changed while the answer was on its way: certain is only what was before the question.
      this.#silentMs = Math.max(0, asked - this.#since)
      return holder
    }
    this.#sign = sign
    this.#since = this.#clock.steady()
    this.#silentMs = 0
    return holder
  }

  get silentMs(): number {
    return this.#silentMs
  }
}

export interface ObservedLock {
  readonly holder: LockInfo
  /** True: its run is dead. False: it gave a sign of life. Null: it was not watched for long enough to tell. */
  readonly stale: boolean | null
}

/** Who holds the lock, watched for at most `watchMs`. Reads only. Null: nobody holds it. */
export async function observeLock(
  place: LockPlace,
  watchMs: number,
  signal?: AbortSignal,
  clock: LockClock = systemLockClock,
): Promise<ObservedLock | null> {
  const watch = new LockWatch(clock)
  const started = clock.steady()
  let first: LockInfo | null = null
  for (;;) {
    const holder = await watch.look(place, signal)
    if (holder === null) return null
    first ??= holder
    if (holder.id !== first.id || holder.beat !== first.beat) return { holder, stale: false }
    if (watch.silentMs > holder.ttlMs || (await isDead(holder.process))) return { holder, stale: true }
    const leftMs = watchMs - (clock.steady() - started)
    if (leftMs <= 0) return { holder, stale: null }
    await sleep(Math.min(leftMs, MAX_POLL_MS, holder.ttlMs / POLLS), signal)
  }
}

/**
 * Only of a process of this very machine and container: hosts of the same name are common where runs start in
 * containers, so anything else proves nothing.
 */
export async function isDead(identity: ProcessIdentity): Promise<boolean> {
  const here = await identifyProcess(process.pid)
  const isHere =
    identity.boot !== null &&
    identity.pidNamespace !== null &&
    identity.host === here.host &&
    identity.boot === here.boot &&
    identity.pidNamespace === here.pidNamespace
  return isHere && (await stateOfProcess(identity)) === 'dead'
}
