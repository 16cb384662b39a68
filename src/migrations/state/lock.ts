import { AbortedError, asError, OpsError } from '../../core/errors.js'
import { sleep } from '../../core/abort.js'
import { ChromaNotFoundError } from '../../chroma/errors.js'
import { RetryExhausted } from '../../core/retry-exhausted.js'
import { retryHints } from '../../core/retry-hints.js'
import { DONE_LOCK_PREFIX } from '../../core/migration-keys.js'
import type { WriteGuard } from '../step-journal.js'
import { describeHolder } from './describe-holder.js'
import { momentOf, possiblyElapsed, type LockClock, type Moment } from './lock-clock.js'
import { LockForeignError, LockLostError } from './lock-errors.js'
import type { LockInfo } from './lock-info.js'
import { deleteSetAside, findLock, sendBeat, setAside, type LockPlace } from './lock-requests.js'

/** Parts of the time to live. */
const BEAT = 1 / 5
/** Older than this, a sign of life is renewed before anything is written; an answer is waited for as long. */
const FRESH = 2 / 5
/** A server that does not answer is asked until then. */
const PATIENCE = 4 / 5
const PAUSE = 1 / 40
const MAX_PAUSE_MS = 250

const FAREWELL_MS = 10_000
/** For a sign of life that is under way when the lock is given back. */
const GRACE_MS = 3_000
/** An own sign of life that was delayed on its way can take the name once more after it was given back. */
const FAREWELLS = 5

export interface HeldLock {
  readonly place: LockPlace
  readonly info: LockInfo
  /** Before the lock was asked for. */
  readonly began: Moment
  readonly clock: LockClock
  /** Runs that were taken for dead: their locks are gone, so that they cannot come back. */
  readonly fenced: readonly LockInfo[]
}

export interface LockRelease {
  /** False: the lock could not be given back; it is free when it has been silent for its time to live. */
  readonly released: boolean
  readonly problem: Error | null
}

/**
 * The right to change a database by migrations, held by one run at a time: a collection of a fixed name, which only
 * one can create. Its holder gives signs of life; who has seen none for the time to live, by its own steady clock,
 * sets the lock aside by its id and creates its own.
 *
 * A holder counts its lease from before it sent its last confirmed sign of life, and takes an answer only within
 * that lease. A watcher counts from after it first saw the sign, and looks once more, with a question that is sent
 * after the lease is over. So when a watcher finds it silent, the holder has lost it for good, however late their
 * requests arrive, and no two clocks are ever compared.
 */
export class MigrationLock implements WriteGuard {
  readonly info: LockInfo
  readonly fenced: readonly LockInfo[]
  readonly #place: LockPlace
  readonly #clock: LockClock
  readonly #lost = new AbortController()
  readonly #ended = new AbortController()
  /** Ends the question that is under way. */
  readonly #cut = new AbortController()
  readonly #timer: NodeJS.Timeout
  #lossError: LockLostError | null = null
  #confirmed: Moment
  #beat: bigint
  #phase: string
  #beating: Promise<void> | null = null
  #release: Promise<LockRelease> | null = null

  /** Use `acquireLock`. */
  constructor({ place, info, began, clock, fenced }: HeldLock) {
    this.info = info
    this.fenced = fenced
    this.#place = place
    this.#clock = clock
    this.#confirmed = began
    this.#beat = info.beat
    this.#phase = info.phase
    // Not a reason for the process to stay alive. A failure is remembered, and told by `lost` and `check`.
    this.#timer = setInterval(() => void this.#renew().catch(() => {}), info.ttlMs * BEAT)
    this.#timer.unref()
  }

  get id(): string {
    return this.info.id
  }

  /** Fires as soon as the loss is known; its reason is the {@link LockLostError}. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** What the run is at, for others to read; told with the next sign of life. */
  phase(text: string): void {
    this.#phase = text
  }

  /** Resolves when this run may write now. Cheap: asks the server only when the last sign of life is old. */
  async check(): Promise<void> {
    this.#throwIfLost()
    if (this.#ended.signal.aborted) throw new LockLostError('it was given back')
    this.#fenceIfLate()
    if (this.#age() >= this.info.ttlMs * FRESH) await this.#renew()
    // Frozen since the answer came.
    this.#throwIfLost()
    this.#fenceIfLate()
  }

  /** Gives the lock back, also one that was lost for want of answers. Only when nothing is being written any more. */
  async release(): Promise<LockRelease> {
    this.#release ??= this.#giveBack()
    return this.#release
  }

  async #giveBack(): Promise<LockRelease> {
    this.#ended.abort()
    clearInterval(this.#timer)
    const cut = setTimeout(() => this.#cut.abort(), GRACE_MS)
    // One that is under way should not overtake what follows; why it failed does not matter any more.
    await this.#beating?.catch(() => {})
    clearTimeout(cut)
    const signal = AbortSignal.timeout(FAREWELL_MS)
    try {
      for (let attempt = 1; attempt <= FAREWELLS; attempt++) {
        if ((await setAside(this.#place, this.info, DONE_LOCK_PREFIX, signal)) === 'gone') break
        const name = `${DONE_LOCK_PREFIX}${this.id}`
        await deleteSetAside(this.#place, { ...this.info, name }, signal)
      }
      return { released: true, problem: null }
    } catch (error) {
      return { released: false, problem: asError(error) }
    }
  }

  /** One at a time: whoever needs a new sign of life waits for the one that is under way. */
  async #renew(): Promise<void> {
    this.#beating ??= this.#beatUntilConfirmed().finally(() => {
      this.#beating = null
    })
    await this.#beating
  }

  async #beatUntilConfirmed(): Promise<void> {
    for (;;) {
      this.#throwIfLost()
      this.#fenceIfLate()
      const before = momentOf(this.#clock)
      try {
        await this.#beatOnce()
        this.#fenceIfLate('the answer to its sign of life came too late')
        this.#confirmed = before
        return
      } catch (error) {
        if (error instanceof LockLostError) throw error
        await this.#judge(error)
      }
      if (this.#ended.signal.aborted) return
      // Rejects when the lock is given back meanwhile.
      await sleep(Math.min(MAX_PAUSE_MS, this.info.ttlMs * PAUSE), this.#ended.signal).catch(() => {})
    }
  }

  /** Another number each time: one that is sent twice would look as if it had been given at the first time. */
  async #beatOnce(): Promise<void> {
    const { info } = this
    const timeoutMs = Math.max(1, Math.ceil(Math.min(info.ttlMs * FRESH, info.ttlMs - this.#age())))
    const facts = {
      ...info,
      beat: ++this.#beat,
      phase: this.#phase,
      lastBeat: this.#clock.wall().toISOString(),
    }
    const signal = AbortSignal.any([this.#cut.signal, AbortSignal.timeout(timeoutMs)])
    await sendBeat(this.#place, info, facts, { timeoutMs, signal })
  }

  /** Returns when it is worth another try. */
  async #judge(error: unknown): Promise<void> {
    if (error instanceof ChromaNotFoundError) this.#lose('its collection was removed', error)
    const isRefusal = error instanceof OpsError && !isSilence(error)
    if (isRefusal) await this.#lookWhoHasIt(error)
    if (this.#age() <= this.info.ttlMs * PATIENCE) return
    const silence = `${Math.round(this.#age() / 1000)} s`
    this.#lose(`no sign of life has reached the server for ${silence}`, error)
  }

  /** That the name is taken comes as a server error like any other. */
  async #lookWhoHasIt(refusal: OpsError): Promise<void> {
    const timeout = AbortSignal.timeout(Math.max(1, Math.ceil(this.info.ttlMs * PATIENCE - this.#age())))
    try {
      const holder = await findLock(this.#place, AbortSignal.any([timeout, this.#cut.signal]))
      if (holder !== null && holder.id !== this.id)
        this.#lose(`${describeHolder(holder)} has taken it over`, refusal)
    } catch (error) {
      if (error instanceof LockForeignError) this.#lose(error.message, refusal)
      if (error instanceof LockLostError) throw error
      // It could not be asked: the next sign of life will tell.
      if (!(error instanceof OpsError)) throw error
    }
  }

  #fenceIfLate(reason = 'this process was held up'): void {
    if (this.#age() > this.info.ttlMs) this.#lose(`${reason}: ${Math.round(this.#age() / 1000)} s`)
  }

  #age(): number {
    return possiblyElapsed(this.#confirmed, momentOf(this.#clock))
  }

  #throwIfLost(): void {
    if (this.#lossError !== null) throw this.#lossError
  }

  #lose(reason: string, cause?: unknown): never {
    clearInterval(this.#timer)
    this.#lossError = new LockLostError(reason, { cause })
    this.#lost.abort(this.#lossError)
    throw this.#lossError
  }
}

/** The server has not said anything. */
function isSilence(error: OpsError): boolean {
  return (
    error instanceof AbortedError || error instanceof RetryExhausted || retryHints(error).retryable === true
  )
}
