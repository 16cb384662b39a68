import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import type { ChromaRequest, ChromaTransport } from '../../src/chroma/transport.js'
import { parseJson, stringifyJson, type JsonValue } from '../../src/core/json.js'
import { silentProgress } from '../../src/core/progress.js'
import type { RecordBatch, Space } from '../../src/core/records.js'
import type { EmbeddingCache } from '../../src/migrations/embedding-cache.js'
import type { RecordMap } from '../../src/migrations/record-map.js'
import type { StepContext } from '../../src/migrations/step-outcome.js'
import type { StepJournal } from '../../src/migrations/step-journal.js'
import type { CopyAndSwapStep } from '../../src/migrations/swap/copy-and-swap.js'

/** A journal in memory, as text, the way a state collection keeps it. */
export class MemoryJournal implements StepJournal {
  text: string | null = null
  /** Called before each entry; may throw. */
  onPut: (text: string) => void | Promise<void> = () => {}

  read(): JsonValue | null {
    return this.text === null ? null : parseJson(this.text)
  }

  async put(progress: JsonValue): Promise<void> {
    const text = stringifyJson(progress)
    await this.onPut(text)
    this.text = text
  }
}

export function stepContext(
  api: ChromaApi,
  tempDir: string,
  changes: Partial<StepContext> = {},
): StepContext {
  return {
    api,
    tenant: 'default_tenant',
    database: 'default_database',
    version: '00007',
    runId: 'run',
    journal: new MemoryJournal(),
    guard: { check: async () => {} },
    cache: noCache,
    concurrency: 4,
    tempDir,
    now: () => new Date(),
    progress: silentProgress,
    signal: new AbortController().signal,
    openClient: async () => Promise.reject(new Error('no client in this test')),
    ...changes,
  }
}

const noCache: EmbeddingCache = {
  get: async (_model, texts) => texts.map(() => null),
  put: async () => {},
  close: async () => {},
}

type MapChange = Partial<Pick<RecordMap, 'hash' | 'space' | 'newVectors' | 'map'>>

/** Nothing but another space, or not even that. */
export function sameRecords(space: Space | null, change: MapChange = {}): RecordMap {
  return {
    hash: `same-${space ?? 'space'}`,
    space,
    newVectors: false,
    embedded: 0,
    map: async (batch) => batch,
    ...change,
  }
}

/** Makes vectors of texts. `asked` counts those that the cache would not have, `made` all of them. */
export class TextVectors {
  asked = 0
  made = 0
  readonly #known = new Set<string>()
  readonly #dimension: number

  constructor(dimension: number) {
    this.#dimension = dimension
  }

  map(change: MapChange = {}): RecordMap {
    return {
      hash: `text-${this.#dimension}`,
      space: null,
      newVectors: true,
      embedded: 0,
      map: async (batch) => this.#embed(batch),
      ...change,
    }
  }

  #embed(batch: RecordBatch): RecordBatch {
    const embeddings = new Float32Array(batch.ids.length * this.#dimension)
    batch.documents.forEach((document, row) => {
      const text = document ?? ''
      this.made++
      if (!this.#known.has(text)) this.asked++
      this.#known.add(text)
      embeddings.set(vectorOf(text, this.#dimension), row * this.#dimension)
    })
    return { ...batch, dimension: this.#dimension, embeddings, missingEmbeddings: [] }
  }
}

export function vectorOf(text: string, dimension: number): Float32Array {
  return Float32Array.from({ length: dimension }, (_, at) => {
    let sum = at + 1
    for (const character of text) sum = (sum * 31 + (character.codePointAt(0) ?? 0) * (at + 1)) % 1009
    return sum / 1009
  })
}

export function swapStep(
  collection: string,
  map: RecordMap,
  options: CopyAndSwapStep['options'] = {},
): CopyAndSwapStep {
  return { kind: 'copyAndSwap', collection, map, options }
}

export async function connect(url: string): Promise<ChromaApi> {
  return new ChromaApi(await connectTransport({ url, retry: { baseDelayMs: 1 } }))
}

/** What the runs of a trial make of a collection, in whatever process. */
export function trialMap(vectors: TextVectors): RecordMap {
  return vectors.map({ space: 'cosine' })
}

export const trialOptions: CopyAndSwapStep['options'] = { verify: { sample: 5 } }

/** Does something of its own before requests. */
export class BetweenRequests implements ChromaTransport {
  readonly #transport: ChromaTransport
  readonly #before: (request: ChromaRequest) => Promise<void>

  constructor(transport: ChromaTransport, before: (request: ChromaRequest) => Promise<void>) {
    this.#transport = transport
    this.#before = before
  }

  get displayUrl(): string {
    return this.#transport.displayUrl
  }

  get stats(): ChromaTransport['stats'] {
    return this.#transport.stats
  }

  async send(request: ChromaRequest): Promise<Buffer> {
    await this.#before(request)
    return this.#transport.send(request)
  }

  async exchange<T>(request: ChromaRequest, decode: (body: Buffer) => T | Promise<T>): Promise<T> {
    await this.#before(request)
    return this.#transport.exchange(request, decode)
  }

  async stream(request: ChromaRequest): Promise<AsyncIterable<Uint8Array>> {
    await this.#before(request)
    return this.#transport.stream(request)
  }

  useBatchRetries(): void {
    this.#transport.useBatchRetries()
  }

  async close(): Promise<void> {}
}
