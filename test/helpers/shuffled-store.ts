import type { BlobInfo, BlobStore, GetOptions, StoreCapabilities } from '../../src/storage/blob-store.js'

/**
 * Lets the calls of several users of one store through in an order chosen by chance: of those that wait, one at a
 * time. The calls of a frozen user wait until it is thawed.
 */
export class Shuffler {
  readonly #random: () => number
  readonly #waiting: Waiting[] = []
  readonly #frozen = new Set<string>()
  /** Users are of very different speeds, now and then of another one: some are asleep while others do all their work. */
  readonly #speeds = new Map<string, number>()
  #isRunning = false

  constructor(random: () => number) {
    this.#random = random
  }

  freeze(user: string): void {
    this.#frozen.add(user)
  }

  thaw(user: string): void {
    this.#frozen.delete(user)
    this.#start()
  }

  async turn(user: string): Promise<void> {
    await new Promise<void>((go) => {
      this.#waiting.push({ user, go })
      this.#start()
    })
  }

  #start(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    setImmediate(() => {
      this.#isRunning = false
      const able = this.#waiting.filter(({ user }) => !this.#frozen.has(user))
      const chosen = this.#choose(able)
      if (chosen === undefined) return
      this.#waiting.splice(this.#waiting.indexOf(chosen), 1)
      chosen.go()
      this.#start()
    })
  }

  #choose(able: readonly Waiting[]): Waiting | undefined {
    const speeds = able.map(({ user }) => this.#speedOf(user))
    let at = this.#random() * speeds.reduce((sum, speed) => sum + speed, 0)
    return able.find((_, index) => (at -= speeds[index] ?? 0) < 0)
  }

  #speedOf(user: string): number {
    const known = this.#random() < 0.02 ? undefined : this.#speeds.get(user)
    const speed = known ?? 0.001 + this.#random() ** 6
    this.#speeds.set(user, speed)
    return speed
  }
}

interface Waiting {
  readonly user: string
  readonly go: () => void
}

/** A store as one of its users sees it: each call waits for its turn, a list before each of its keys. */
export class SharedStore implements BlobStore {
  readonly displayUrl = 'memory://shared'
  /** Told of each call before it waits; may freeze its user. */
  beforeCall: (method: string, key: string) => void = () => {}
  readonly #store: BlobStore
  readonly #shuffler: Shuffler
  readonly #user: string

  constructor(store: BlobStore, shuffler: Shuffler, user: string) {
    this.#store = store
    this.#shuffler = shuffler
    this.#user = user
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#turn('put', key)
    await this.#store.put(key, bytes)
  }

  async putNew(key: string, bytes: Uint8Array) {
    await this.#turn('putNew', key)
    return this.#store.putNew(key, bytes)
  }

  async putIfMatch(key: string, bytes: Uint8Array, version: string) {
    await this.#turn('putIfMatch', key)
    return this.#store.putIfMatch(key, bytes, version)
  }

  async get(key: string, { range }: GetOptions = {}) {
    await this.#turn('get', key)
    return this.#store.get(key, { range })
  }

  async stat(key: string): Promise<BlobInfo> {
    await this.#turn('stat', key)
    return this.#store.stat(key)
  }

  async *list(prefix: string): AsyncGenerator<BlobInfo> {
    await this.#turn('list', prefix)
    for await (const info of this.#store.list(prefix)) {
      yield info
      await this.#turn('list', prefix)
    }
  }

  async delete(key: string): Promise<void> {
    await this.#turn('delete', key)
    await this.#store.delete(key)
  }

  async capabilities(): Promise<StoreCapabilities> {
    return { putNew: 'atomic', putIfMatch: true }
  }

  async storeTime(): Promise<Date> {
    return this.#store.storeTime()
  }

  async close(): Promise<void> {}

  async #turn(method: string, key: string): Promise<void> {
    this.beforeCall(method, key)
    await this.#shuffler.turn(this.#user)
  }
}
