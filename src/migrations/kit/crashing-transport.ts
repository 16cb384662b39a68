import type { ChromaRequest, ChromaTransport } from '../../chroma/transport.js'

/** The run of a test was ended at a write, as if its process had been killed. */
export class CrashError extends Error {
  override readonly name = 'CrashError'
}

/** Passes requests on until a write at which the run "dies": nothing is sent from then on. */
export class CrashingTransport implements ChromaTransport {
  readonly #transport: ChromaTransport
  readonly #lastWrites: number
  #writes = 0
  #dead = false

  /** `lastWrites`: so many reach the server; infinity: all. */
  constructor(transport: ChromaTransport, lastWrites: number) {
    this.#transport = transport
    this.#lastWrites = lastWrites
  }

  /** Writes so far. */
  get writes(): number {
    return this.#writes
  }

  get displayUrl(): string {
    return this.#transport.displayUrl
  }

  get stats(): ChromaTransport['stats'] {
    return this.#transport.stats
  }

  send(request: ChromaRequest): Promise<Buffer> {
    return this.#pass(request, () => this.#transport.send(request))
  }

  exchange<T>(request: ChromaRequest, decode: (body: Buffer) => T | Promise<T>): Promise<T> {
    return this.#pass(request, () => this.#transport.exchange(request, decode))
  }

  stream(request: ChromaRequest): Promise<AsyncIterable<Uint8Array>> {
    return this.#pass(request, () => this.#transport.stream(request))
  }

  useBatchRetries(): void {
    this.#transport.useBatchRetries()
  }

  /** The connections are shared with the runs that go on. */
  async close(): Promise<void> {}

  async #pass<T>(request: ChromaRequest, send: () => Promise<T>): Promise<T> {
    if (this.#dead) throw new CrashError('the run has been ended by its test')
    if (!isWrite(request) || this.#writes++ < this.#lastWrites) return send()
    this.#dead = true
    throw new CrashError('the run is ended by its test')
  }
}

function isWrite({ method, path }: ChromaRequest): boolean {
  return method !== 'GET' && !/\/(get|query|count)$/.test(path)
}
