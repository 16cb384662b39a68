import type { ChromaRequest, ChromaTransport } from '../../src/chroma/transport.js'

export interface Death {
  /** The request at which it happens, from 0. */
  readonly at: number
  /** Before the server sees the request, or after it has answered. */
  readonly when: 'before' | 'after'
  /** Ends the process, or throws. */
  readonly die: () => Promise<never>
}

/** Passes requests on until one of them is the last that its process makes. */
export class DyingTransport implements ChromaTransport {
  /** `METHOD path` of each request so far. */
  readonly requests: string[] = []
  readonly #transport: ChromaTransport
  readonly #death: Death | null
  #dead = false

  constructor(transport: ChromaTransport, death: Death | null) {
    this.#transport = transport
    this.#death = death
  }

  get displayUrl(): string {
    return this.#transport.displayUrl
  }

  get stats(): ChromaTransport['stats'] {
    return this.#transport.stats
  }

  get isDead(): boolean {
    return this.#dead
  }

  async send(request: ChromaRequest): Promise<Buffer> {
    return this.#pass(request, () => this.#transport.send(request))
  }

  async exchange<T>(request: ChromaRequest, decode: (body: Buffer) => T | Promise<T>): Promise<T> {
    return this.#pass(request, () => this.#transport.exchange(request, decode))
  }

  async stream(request: ChromaRequest): Promise<AsyncIterable<Uint8Array>> {
    return this.#pass(request, async () => {
      const body = await this.#transport.stream(request)
      // Nobody reads it any more, and its connection serves others, who are not dead.
      if (this.#dead) await bytesOf(body)
      return body
    })
  }

  useBatchRetries(): void {
    this.#transport.useBatchRetries()
  }

  async close(): Promise<void> {}

  async #pass<T>({ method, path }: ChromaRequest, send: () => Promise<T>): Promise<T> {
    const death = this.#death
    const number = this.requests.length
    this.requests.push(`${method} ${path}`)
    if (death === null) return send()
    if (this.#dead) return death.die()
    if (number < death.at) return send()
    // Others that are under way end with the process.
    this.#dead = true
    if (death.when === 'after') await send()
    return death.die()
  }
}

async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0
  for await (const piece of body) bytes += piece.length
  return bytes
}

/** Whether the request changes something on the server. */
export function isWrite(request: string): boolean {
  return !request.startsWith('GET ') && !/\/(get|query|count)$/.test(request)
}
