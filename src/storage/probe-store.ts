import {
  BlobChangedError,
  BlobExistsError,
  BlobNotFoundError,
  type BlobStore,
  StoreAccessError,
  type StoreCapabilities,
  type StoreError,
  StoreUnsupportedError,
} from './blob-store.js'
import {
  type Outcome,
  probePrefix,
  removeProbes,
  tryCreateOnly,
  tryMatch,
  tryStaleMatch,
} from './probe-conditions.js'
import { broken, type Trial, Trials } from './probe-trials.js'

export type StorePromise =
  | 'read-after-write'
  | 'overwrite'
  | 'list-after-write'
  | 'range'
  | 'large-blob'
  | 'delete'
  | 'create-only'
  | 'create-race'
  | 'if-match'
  | 'stale-if-match'
  | 'clock'

export interface PromiseReport {
  readonly promise: StorePromise
  /** `unsupported`: the store says that it can't; `broken`: it says yes and does something else, or refuses. */
  readonly outcome: Outcome
  /** Without it no backup can be trusted; the others are for maintenance. */
  readonly required: boolean
  readonly detail: string
  readonly durationMs: number
}

export interface StoreProbeReport {
  /** The store's address, without credentials. */
  readonly store: string
  readonly promises: readonly PromiseReport[]
  readonly capabilities: StoreCapabilities
  /** The store's clock minus this machine's; null when it does not tell. */
  readonly clockSkewMs: number | null
  /** Keys that could not be removed again. */
  readonly leftBehind: readonly string[]
}

export interface ProbeOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Tries each promise of a store on keys of its own, which it removes again. A promise that is not kept is
 * part of the report; a store that can't be reached or written at all is an error.
 */
export async function probeStore(store: BlobStore, { signal }: ProbeOptions = {}): Promise<StoreProbeReport> {
  const probe = new Probe(store, signal)
  try {
    await probe.run()
  } finally {
    await probe.cleanUp()
  }
  return probe.report()
}

class Probe {
  readonly #store: BlobStore
  readonly #trials: Trials
  readonly #promises: PromiseReport[] = []
  #leftBehind: readonly string[] = []

  constructor(store: BlobStore, signal: AbortSignal | undefined) {
    this.#store = store
    this.#trials = new Trials(store, probePrefix(), signal)
  }

  async run(): Promise<void> {
    const trials = this.#trials
    await this.#try('read-after-write', true, () => trials.readAfterWrite())
    await this.#try('overwrite', true, () => trials.overwrite())
    await this.#try('list-after-write', true, () => trials.listAfterWrite())
    await this.#try('range', true, () => trials.range())
    await this.#try('large-blob', true, () => trials.largeBlob())
    await this.#try('create-only', false, () => trials.condition('created', tryCreateOnly))
    await this.#try('create-race', false, () => trials.race())
    await this.#try('if-match', false, () => trials.condition('matched', tryMatch))
    await this.#try('stale-if-match', false, () => trials.condition('matched', tryStaleMatch))
    await this.#try('clock', false, () => trials.clock())
    await this.#try('delete', false, () => trials.delete())
  }

  report(): StoreProbeReport {
    const isKept = (promise: StorePromise) =>
      this.#promises.some((report) => report.promise === promise && report.outcome === 'kept')
    return {
      store: this.#store.displayUrl,
      promises: this.#promises,
      capabilities: {
        putNew: !isKept('create-only') ? 'none' : isKept('create-race') ? 'atomic' : 'weak',
        putIfMatch: isKept('if-match') && isKept('stale-if-match'),
      },
      clockSkewMs: this.#trials.clockSkewMs,
      leftBehind: this.#leftBehind,
    }
  }

  async cleanUp(): Promise<void> {
    this.#leftBehind = await removeProbes(this.#store, this.#trials.keys)
  }

  async #try(promise: StorePromise, required: boolean, attempt: () => Promise<Trial>): Promise<void> {
    const started = performance.now()
    const { outcome, detail } = await settle(promise, attempt)
    const durationMs = Math.round(performance.now() - started)
    this.#promises.push({ promise, outcome, required, detail, durationMs })
  }
}

async function settle(promise: StorePromise, attempt: () => Promise<Trial>): Promise<Trial> {
  try {
    return await attempt()
  } catch (error) {
    if (error instanceof StoreUnsupportedError) return { outcome: 'unsupported', detail: error.message }
    // Writing but not deleting is a sound right for backups.
    const forbidden = promise === 'delete' && error instanceof StoreAccessError
    if (forbidden || isContradiction(error)) return broken(error.message)
    throw error
  }
}

/** The store's answer to one call denies what it said to another. */
function isContradiction(error: unknown): error is StoreError {
  return (
    error instanceof BlobNotFoundError ||
    error instanceof BlobExistsError ||
    error instanceof BlobChangedError
  )
}
