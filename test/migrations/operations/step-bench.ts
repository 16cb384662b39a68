import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll } from '@jest/globals'

import { ChromaApi } from '../../../src/chroma/api.js'
import type { ChromaRequest, ChromaTransport } from '../../../src/chroma/transport.js'
import { parseJson, stringifyJson, type JsonValue } from '../../../src/core/json.js'
import { silentProgress } from '../../../src/core/progress.js'
import { DiskEmbeddingCache } from '../../../src/migrations/operations/embedding-cache-disk.js'
import type { StepJournal } from '../../../src/migrations/step-journal.js'
import type { StepContext } from '../../../src/migrations/step-outcome.js'
import { apiForSuite, home } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'

/** A journal that outlives the run, as text, like the one on the server. */
export class TextJournal implements StepJournal {
  text: string | null = null

  read(): JsonValue | null {
    return this.text === null ? null : parseJson(this.text)
  }

  async put(progress: JsonValue): Promise<void> {
    this.text = stringifyJson(progress)
  }
}

/** The process died here. */
export class Died extends Error {}

/** Lets so many requests and journal writes through; the next dies, before or after it took effect, and all after it. */
export class Life {
  #left: number
  readonly #when: 'before' | 'after'
  done = 0

  constructor(left = Infinity, when: 'before' | 'after' = 'before') {
    this.#left = left
    this.#when = when
  }

  async take<T>(act: () => Promise<T>): Promise<T> {
    this.#left--
    if (this.#left < -1 || (this.#left < 0 && this.#when === 'before')) throw new Died('died')
    const result = await act()
    if (this.#left < 0) throw new Died('died')
    this.done++
    return result
  }
}

class MortalTransport implements ChromaTransport {
  readonly #transport: ChromaTransport
  readonly #life: Life

  constructor(transport: ChromaTransport, life: Life) {
    this.#transport = transport
    this.#life = life
  }

  get displayUrl(): string {
    return this.#transport.displayUrl
  }

  get stats(): ChromaTransport['stats'] {
    return this.#transport.stats
  }

  send(request: ChromaRequest): Promise<Buffer> {
    return this.#life.take(() => this.#transport.send(request))
  }

  exchange<T>(request: ChromaRequest, decode: (body: Buffer) => T | Promise<T>): Promise<T> {
    return this.#life.take(() => this.#transport.exchange(request, decode))
  }

  stream(request: ChromaRequest): Promise<AsyncIterable<Uint8Array>> {
    return this.#life.take(() => this.#transport.stream(request))
  }

  useBatchRetries(): void {}

  async close(): Promise<void> {}
}

export interface StepBench {
  readonly api: ChromaApi
  readonly cache: DiskEmbeddingCache
  readonly directory: string
  /** A context for one run of a step. */
  context(changes?: Partial<StepContext>): StepContext
  /** The same for a run that dies. */
  mortal(journal: StepJournal, life: Life): StepContext
}

/** A server, a cache and contexts for steps, inside the tests and hooks of a suite. */
export function stepBench(): () => StepBench {
  const chroma = chromaForSuite()
  const api = apiForSuite(chroma)
  let made: { readonly directory: string; readonly cache: DiskEmbeddingCache } | undefined
  beforeAll(async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'chroma-ops-step-'))
    made = { directory, cache: new DiskEmbeddingCache({ directory: path.join(directory, 'cache') }) }
  })
  afterAll(async () => {
    await made?.cache.close()
    if (made !== undefined) await rm(made.directory, { recursive: true, force: true })
  })
  return () => {
    if (made === undefined) throw new Error('the bench is there only inside tests and hooks')
    const { directory, cache } = made
    const context = (changes: Partial<StepContext> = {}): StepContext => ({
      ...home,
      api: api(),
      version: '00001',
      runId: 'run',
      journal: new TextJournal(),
      guard: { check: async () => {} },
      cache,
      concurrency: 2,
      tempDir: directory,
      openClient: () => Promise.reject(new Error('no client here')),
      now: () => new Date('2026-11-21T00:00:00Z'),
      progress: silentProgress,
      signal: new AbortController().signal,
      ...changes,
    })
    return {
      api: api(),
      cache,
      directory,
      context,
      mortal: (journal, life) =>
        context({
          api: new ChromaApi(new MortalTransport(api().transport, life)),
          journal: {
            read: () => journal.read(),
            put: (progress) => life.take(() => journal.put(progress)),
          },
        }),
    }
  }
}
