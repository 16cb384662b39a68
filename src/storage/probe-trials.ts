import { randomBytes } from 'node:crypto'

import { BlobNotFoundError, type BlobStore, StoreUnsupportedError } from './blob-store.js'
import { type Outcome, race, RACERS, type tryMatch } from './probe-conditions.js'

/** Further apart, times in a repository can't be trusted for retention. */
const MAX_CLOCK_SKEW_MS = 5 * 60_000
const LARGE_BYTES = 8 * 1024 * 1024

export interface Trial {
  readonly outcome: Outcome
  readonly detail: string
}

export function kept(detail: string): Trial {
  return { outcome: 'kept', detail }
}

export function broken(detail: string): Trial {
  return { outcome: 'broken', detail }
}

/** One promise of a store each, tried on keys that begin with a prefix of its own. */
export class Trials {
  readonly #store: BlobStore
  readonly #prefix: string
  readonly #signal: AbortSignal | undefined
  readonly #used = new Set<string>()
  #clockSkewMs: number | null = null

  constructor(store: BlobStore, prefix: string, signal: AbortSignal | undefined) {
    this.#store = store
    this.#prefix = prefix
    this.#signal = signal
  }

  /** Every key that was written, or may have been. */
  get keys(): readonly string[] {
    return [...this.#used]
  }

  /** The store's clock minus this machine's; null before {@link clock}, or when the store does not tell. */
  get clockSkewMs(): number | null {
    return this.#clockSkewMs
  }

  async readAfterWrite(): Promise<Trial> {
    const key = this.#key('written')
    const before = await this.#isAbsent(key)
    const bytes = randomBytes(1000)
    await this.#store.put(key, bytes, this.#signal)
    const found = await this.#read(key)
    const { size } = await this.#store.stat(key, this.#signal)
    if (!before) return broken('a key that was never written is there')
    if (!found.equals(bytes) || size !== bytes.length) return broken('other bytes came back')
    return kept('what was written is read at once')
  }

  async overwrite(): Promise<Trial> {
    const key = this.#key('written')
    const bytes = randomBytes(500)
    await this.#store.put(key, bytes, this.#signal)
    return (await this.#read(key)).equals(bytes)
      ? kept('a new value replaces the old one at once')
      : broken('the old value came back')
  }

  async listAfterWrite(): Promise<Trial> {
    const names = ['list-b', 'list-a', 'list-a-b', 'list-a.b']
    const keys = names.map((name) => this.#key(name))
    for (const key of keys) await this.#store.put(key, randomBytes(10), this.#signal)
    const listed: string[] = []
    for await (const { key } of this.#store.list(`${this.#prefix}list-`, this.#signal)) listed.push(key)
    return listed.join() === keys.sort().join()
      ? kept('what was written is listed at once, in order')
      : broken(`${listed.length} of ${keys.length} keys listed, or not in order`)
  }

  async range(): Promise<Trial> {
    const key = this.#key('range')
    const bytes = randomBytes(1000)
    await this.#store.put(key, bytes, this.#signal)
    for (const [offset, length] of [
      [0, 10],
      [500, 100],
      [990, 100],
      [2000, 10],
    ] as const) {
      const { bytes: part } = await this.#store.get(key, { range: { offset, length }, signal: this.#signal })
      if (!Buffer.from(part).equals(bytes.subarray(offset, offset + length)))
        return broken(`wrong bytes for ${length} from ${offset} of 1000`)
    }
    return kept('parts of a blob are read alone')
  }

  async largeBlob(): Promise<Trial> {
    const key = this.#key('large')
    const bytes = randomBytes(LARGE_BYTES)
    await this.#store.put(key, bytes, this.#signal)
    return (await this.#read(key)).equals(bytes)
      ? kept('8 MiB in one blob')
      : broken('8 MiB came back changed')
  }

  async condition(name: string, attempt: typeof tryMatch): Promise<Trial> {
    const outcome = await attempt(this.#store, this.#key(name), this.#signal)
    if (outcome === 'kept') return kept('the condition is observed')
    return {
      outcome,
      detail: outcome === 'broken' ? 'the condition is ignored' : 'the store refuses conditions',
    }
  }

  async race(): Promise<Trial> {
    try {
      const winners = await race(this.#store, this.#key('race'), this.#signal)
      const detail = `${winners} of ${RACERS} concurrent writers won`
      return { outcome: winners === 1 ? 'kept' : 'broken', detail }
    } catch (error) {
      if (error instanceof StoreUnsupportedError) return { outcome: 'unsupported', detail: error.message }
      throw error
    }
  }

  async clock(): Promise<Trial> {
    const before = Date.now()
    const store = (await this.#store.storeTime(this.#signal)).getTime()
    const here = (before + Date.now()) / 2
    this.#clockSkewMs = Math.round(store - here)
    const detail = `the store's clock differs by ${(this.#clockSkewMs / 1000).toFixed(1)} s`
    return Math.abs(this.#clockSkewMs) <= MAX_CLOCK_SKEW_MS ? kept(detail) : broken(detail)
  }

  async delete(): Promise<Trial> {
    const key = this.#key('deleted')
    await this.#store.put(key, randomBytes(10), this.#signal)
    await this.#store.delete(key, this.#signal)
    await this.#store.delete(key, this.#signal)
    return (await this.#isAbsent(key))
      ? kept('a deleted blob is gone at once; deleting it again does no harm')
      : broken('a deleted blob is still there')
  }

  #key(name: string): string {
    const key = `${this.#prefix}${name}`
    this.#used.add(key)
    return key
  }

  async #read(key: string): Promise<Buffer> {
    return Buffer.from((await this.#store.get(key, { signal: this.#signal })).bytes)
  }

  async #isAbsent(key: string): Promise<boolean> {
    try {
      await this.#store.stat(key, this.#signal)
      return false
    } catch (error) {
      if (error instanceof BlobNotFoundError) return true
      throw error
    }
  }
}
