import { ChromaApi } from '../../chroma/api.js'
import type { ChromaRequest, ChromaTransport } from '../../chroma/transport.js'
import type { WriteGuard } from '../step-journal.js'
import type { StepContext } from '../step-outcome.js'

/** What a step works with, its API guarded. */
export function guardedTools(context: StepContext): StepContext {
  return { ...context, api: guardedApi(context.api, context.guard) }
}

/** The same API, but every request that writes first asks the guard, which rejects when the lock was lost. */
export function guardedApi(api: ChromaApi, guard: WriteGuard): ChromaApi {
  return new ChromaApi(new GuardedTransport(api.transport, guard), { mostPerRequest: api.mostPerRequest })
}

class GuardedTransport implements ChromaTransport {
  readonly #transport: ChromaTransport
  readonly #guard: WriteGuard

  constructor(transport: ChromaTransport, guard: WriteGuard) {
    this.#transport = transport
    this.#guard = guard
  }

  get displayUrl(): string {
    return this.#transport.displayUrl
  }

  get stats(): ChromaTransport['stats'] {
    return this.#transport.stats
  }

  async send(request: ChromaRequest): Promise<Buffer> {
    await this.#admit(request)
    return this.#transport.send(request)
  }

  async exchange<T>(request: ChromaRequest, decode: (body: Buffer) => T | Promise<T>): Promise<T> {
    await this.#admit(request)
    return this.#transport.exchange(request, decode)
  }

  async stream(request: ChromaRequest): Promise<AsyncIterable<Uint8Array>> {
    await this.#admit(request)
    return this.#transport.stream(request)
  }

  useBatchRetries(): void {
    this.#transport.useBatchRetries()
  }

  /** The connection belongs to whoever made it. */
  async close(): Promise<void> {}

  async #admit({ method, path }: ChromaRequest): Promise<void> {
    if (!isRead(method, path)) await this.#guard.check()
  }
}

function isRead(method: ChromaRequest['method'], path: string): boolean {
  return method === 'GET' || (method === 'POST' && /\/(get|query|search|count)$/.test(path))
}
