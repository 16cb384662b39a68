import { randomUUID } from 'node:crypto'

import * as v from 'valibot'

import { throwIfAborted } from '../core/errors.js'
import {
  BlobChangedError,
  BlobExistsError,
  BlobNotFoundError,
  type BlobVersion,
} from '../storage/blob-store.js'
import { decodeDocument, encodeDocument } from './documents.js'
import { DocumentDamagedError } from './errors.js'
import { LeaseLostError, MaintenanceLockedError, NoConditionalWritesError } from './maintenance-errors.js'
import { FORMAT } from './manifest.js'
import type { Repository } from './repository.js'

export const LEASE_KEY = 'locks/maintenance.json'

const TTL_MS = 120_000
const FAREWELL_MS = 5_000

export interface LeaseJob {
  readonly repository: Repository
  /** `prune`. */
  readonly task: string
  readonly actor: string
  readonly host: string
  /** The caller promises that nothing else maintains the repository: then no lease is taken. */
  readonly singleWriter: boolean
  readonly now: () => Date
  /** Silent for so long, by the store's clock, its holder is taken for dead; default 2 min. */
  readonly ttlMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** `held` by nobody: `owner` is null. */
interface LeaseDocument {
  readonly owner: string | null
  readonly task: string
  readonly actor: string
  readonly host: string
  /** One more with each holder. */
  readonly counter: number
  readonly heartbeat: string
}

const schema = v.object({
  owner: v.nullable(v.string()),
  task: v.string(),
  actor: v.string(),
  host: v.string(),
  counter: v.number(),
  heartbeat: v.string(),
})

/**
 * The right to remove things from a repository, held by one run at a time: `locks/maintenance.json`, changed only
 * by conditional writes, and refreshed in time. {@link confirm} before each change: a run that was frozen, and that
 * another has replaced, then stops.
 */
export class MaintenanceLease {
  readonly #job: LeaseJob
  readonly #owner = randomUUID()
  readonly #ttlMs: number
  readonly #timer: NodeJS.Timeout | null
  #held: { version: BlobVersion; counter: number } | null
  #confirmed: Moment
  #renewing: Promise<void> | null = null
  #lost: LeaseLostError | null = null

  private constructor(job: LeaseJob, ttlMs: number) {
    this.#job = job
    this.#ttlMs = ttlMs
    this.#held = null
    this.#confirmed = moment(job)
    this.#timer = job.singleWriter ? null : setInterval(() => void this.#refresh(), ttlMs / 4)
    this.#timer?.unref()
  }

  /** Rejects with a {@link MaintenanceLockedError} (11) or a {@link NoConditionalWritesError} (16). */
  static async acquire(job: LeaseJob): Promise<MaintenanceLease> {
    const { repository, singleWriter, ttlMs = TTL_MS, signal } = job
    if (!singleWriter) {
      const { putNew, putIfMatch } = await repository.store.capabilities(signal)
      if (putNew === 'none' || !putIfMatch) throw new NoConditionalWritesError(repository.store.displayUrl)
    }
    const lease = new MaintenanceLease(job, ttlMs)
    try {
      if (!singleWriter) await lease.#acquire()
      return lease
    } catch (error) {
      lease.#stop()
      throw error
    }
  }

  /** Resolves when the lease is this run's; rejects with a {@link LeaseLostError} (11). Cheap most of the time. */
  async confirm(): Promise<void> {
    throwIfAborted(this.#job.signal)
    if (this.#lost !== null) throw this.#lost
    if (this.#job.singleWriter || elapsed(this.#confirmed, moment(this.#job)) < this.#ttlMs / 2) return
    await this.#renew()
    // Frozen while it renewed: then the renewal says nothing about now.
    if (elapsed(this.#confirmed, moment(this.#job)) >= this.#ttlMs / 2) await this.confirm()
  }

  /** Looks at the store, whatever is remembered. */
  async confirmNow(): Promise<void> {
    if (!this.#job.singleWriter) await this.#renew()
  }

  /** Lets the next run begin at once; also after the job's signal has fired. */
  async release(): Promise<void> {
    this.#stop()
    await this.#renewing
    if (this.#held === null || this.#lost !== null) return
    const { version, counter } = this.#held
    const signal = AbortSignal.timeout(FAREWELL_MS)
    try {
      await this.#job.repository.store.putIfMatch(LEASE_KEY, this.#encode(counter, null), version, signal)
    } catch (error) {
      // Somebody else's by now: that is as good.
      if (!(error instanceof BlobChangedError)) throw error
    }
  }

  async #acquire(): Promise<void> {
    const { repository, signal } = this.#job
    const began = moment(this.#job)
    const found = await this.#read()
    try {
      if (found === null) {
        const version = await repository.store.putNew(LEASE_KEY, this.#encode(1, this.#owner), signal)
        this.#hold(version, 1, began)
        return
      }
      await this.#refuseHeld(found.document)
      const counter = found.document.counter + 1
      const bytes = this.#encode(counter, this.#owner)
      const version = await repository.store.putIfMatch(LEASE_KEY, bytes, found.version, signal)
      this.#hold(version, counter, began)
    } catch (error) {
      if (!(error instanceof BlobExistsError) && !(error instanceof BlobChangedError)) throw error
      throw new MaintenanceLockedError('another run has just begun to maintain the repository', {
        hint: 'run it again later',
        cause: error,
      })
    }
  }

  async #refuseHeld({ owner, task, actor, host, heartbeat }: LeaseDocument): Promise<void> {
    if (owner === null) return
    const { store } = this.#job.repository
    const { modified } = await store.stat(LEASE_KEY, this.#job.signal)
    const silentMs = (await store.storeTime(this.#job.signal)).getTime() - modified.getTime()
    if (silentMs > this.#ttlMs) return
    throw new MaintenanceLockedError(
      `${actor} on ${host} is at work on the repository (${task}, last sign of life at ${heartbeat})`,
      {
        hint: `run it again later; should that run be dead, it is replaced ${Math.ceil((this.#ttlMs - silentMs) / 1000)} s from now`,
      },
    )
  }

  async #refresh(): Promise<void> {
    try {
      await this.#renew()
    } catch {
      // A lease that is lost is remembered; whatever else it was, confirm() renews again and reports it.
    }
  }

  /** One renewal at a time: each needs the version that the one before it left. */
  async #renew(): Promise<void> {
    this.#renewing ??= this.#renewOnce().finally(() => {
      this.#renewing = null
    })
    await this.#renewing
  }

  async #renewOnce(): Promise<void> {
    const held = this.#held
    if (held === null) return
    const began = moment(this.#job)
    const { repository, signal } = this.#job
    const bytes = this.#encode(held.counter, this.#owner)
    try {
      const version = await repository.store.putIfMatch(LEASE_KEY, bytes, held.version, signal)
      this.#hold(version, held.counter, began)
    } catch (error) {
      if (!(error instanceof BlobChangedError) && !(error instanceof BlobNotFoundError)) throw error
      this.#lost = new LeaseLostError('another run has taken over the maintenance of the repository', {
        hint: 'see what the other run has done, and run it again',
        cause: error,
      })
      throw this.#lost
    }
  }

  async #read(): Promise<{ document: LeaseDocument; version: BlobVersion } | null> {
    const { repository, signal } = this.#job
    try {
      const { bytes, version } = await repository.store.get(LEASE_KEY, { signal })
      const parsed = v.safeParse(schema, decodeDocument(repository, 'lease', LEASE_KEY, bytes))
      if (!parsed.success) throw new DocumentDamagedError(LEASE_KEY, 'is not a lease')
      return { document: parsed.output, version }
    } catch (error) {
      if (error instanceof BlobNotFoundError) return null
      throw error
    }
  }

  #hold(version: BlobVersion, counter: number, confirmed: Moment): void {
    this.#held = { version, counter }
    this.#confirmed = confirmed
  }

  #encode(counter: number, owner: string | null): Buffer {
    const { repository, task, actor, host, now } = this.#job
    const document = {
      format: FORMAT,
      // So that no two writes are of the same bytes, by which a store could mistake one for the other.
      write: randomUUID(),
      owner,
      task,
      actor,
      host,
      counter,
      heartbeat: now().toISOString(),
    }
    return encodeDocument(repository, 'lease', LEASE_KEY, document)
  }

  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
  }
}

/** By two clocks: one stands still while the machine sleeps, the other one may be set. */
interface Moment {
  readonly wall: number
  readonly steady: number
}

function moment({ now }: LeaseJob): Moment {
  return { wall: now().getTime(), steady: performance.now() }
}

function elapsed(from: Moment, to: Moment): number {
  return Math.max(Math.abs(to.wall - from.wall), to.steady - from.steady)
}
