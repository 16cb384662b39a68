import { spawn } from 'node:child_process'
import { mkdtemp, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { isErrno } from '../../src/core/errors.js'
import type { CollectionDefinition, RecordBatch } from '../../src/core/records.js'
import { abortSwap } from '../../src/migrations/swap/abort-swap.js'
import { copyAndSwap } from '../../src/migrations/swap/copy-and-swap.js'
import { home, newCollection } from './api-for-suite.js'
import { DyingTransport } from './dying-transport.js'
import { expectSameMetadata, sampleBatch } from './records.js'
import { dropCollections } from './server-contents.js'
import {
  MemoryJournal,
  stepContext,
  swapStep,
  TextVectors,
  trialMap,
  trialOptions,
  vectorOf,
} from './swaps.js'

/** Two batches: one of 64, and the rest. */
const RECORDS = 75
const DIMENSION = 4

export interface Moment {
  /** The request, from 0. */
  readonly at: number
  readonly when: 'before' | 'after'
}

class Death extends Error {}

/** One collection `docs`, and runs of a copy-and-swap that die; the journal outlives them. */
export class Trial {
  readonly source: CollectionDefinition
  readonly #url: string
  readonly #api: ChromaApi
  readonly #tempDir: string
  readonly #journal = new MemoryJournal()
  readonly #vectors = new TextVectors(DIMENSION)
  #runs = 0

  private constructor(url: string, api: ChromaApi, tempDir: string, source: CollectionDefinition) {
    this.#url = url
    this.#api = api
    this.#tempDir = tempDir
    this.source = source
  }

  /** Removes everything else from the server. */
  static async start(url: string, api: ChromaApi, tempDir: string): Promise<Trial> {
    await dropCollections(url)
    const source = await newCollection(api, { name: 'docs', metadata: new Map([['owner', 'me']]) })
    await api.add(source, contents)
    return new Trial(url, api, tempDir, source)
  }

  /** One run, which dies unless there is no moment for it. */
  async run(death: Moment | null): Promise<DyingTransport> {
    this.#runs++
    const die = async () => Promise.reject(new Death())
    const transport = new DyingTransport(this.#api.transport, death === null ? null : { ...death, die })
    this.#journal.onPut = () => {
      if (transport.isDead) throw new Death()
    }
    const context = stepContext(new ChromaApi(transport), this.#tempDir, { journal: this.#journal })
    try {
      await copyAndSwap(swapStep('docs', trialMap(this.#vectors), trialOptions), context)
    } catch (error) {
      if (!(error instanceof Death)) throw error
    }
    return transport
  }

  /** The same in a process of its own, which kills itself. Returns the signal that ended it. */
  async runProcess(death: Moment): Promise<NodeJS.Signals | null> {
    this.#runs++
    const folder = await mkdtemp(path.join(this.#tempDir, 'process-'))
    const journal = path.join(folder, 'journal.json')
    const program = fileURLToPath(new URL('./swap-process.ts', import.meta.url))
    const loader = new URL('./run-typescript.js', import.meta.url).href
    const args = [this.#url, journal, folder, String(death.at), death.when]
    const child = spawn(process.execPath, ['--import', loader, program, ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const signal = await new Promise<NodeJS.Signals | null>((resolve, reject) => {
      child.once('error', reject).once('close', (_code, by) => resolve(by))
    })
    this.#journal.text = await textOf(journal)
    return signal
  }

  async abort(): Promise<void> {
    this.#journal.onPut = () => {}
    await abortSwap(this.#journal.read(), stepContext(this.#api, this.#tempDir))
  }

  async expectApplied(name: string): Promise<void> {
    await told(name, async () => {
      const all = await this.#api.listCollections(home.tenant, home.database)
      const live = all.find((collection) => collection.name === 'docs')
      if (live === undefined) throw new Error('the live name is missing')
      expect(live.id).not.toBe(this.source.id)
      expect(all.map((collection) => collection.name.replace(/[0-9a-f]{8}$/, '…')).sort()).toEqual([
        'docs',
        'docs.ledger-…',
        'docs.old-…',
      ])
      expect(all.find(({ id }) => id === this.source.id)?.name).toContain('.old-')
      expect(live.metadata).toEqual(this.source.metadata)
      expectMapped(await recordsOf(this.#api, live))
      expect(this.#vectors.asked).toBeLessThanOrEqual(RECORDS)
      expect(this.#vectors.made).toBeLessThanOrEqual(RECORDS * this.#runs)
    })
  }

  async expectUntouched(name: string): Promise<void> {
    await told(name, async () => {
      const all = await this.#api.listCollections(home.tenant, home.database)
      expect(all).toEqual([{ ...this.source, dimension: 3, schema: all[0]?.schema ?? null }])
      expect((await recordsOf(this.#api, this.source)).ids).toEqual(contents.ids)
    })
  }
}

const contents = sampleBatch({ rows: RECORDS, dimension: 3 })

function expectMapped(records: RecordBatch): void {
  expect([...records.ids].sort()).toEqual([...contents.ids].sort())
  const row = new Map(records.ids.map((id, at) => [id, at]))
  contents.ids.forEach((id, at) => {
    const found = row.get(id) ?? -1
    expect(records.documents[found]).toBe(contents.documents[at])
    expect(records.uris[found]).toBe(contents.uris[at])
    expectSameMetadata(records.metadatas[found] ?? null, contents.metadatas[at] ?? null)
    const vector = records.embeddings.subarray(found * DIMENSION, (found + 1) * DIMENSION)
    vectorOf(contents.documents[at] ?? '', DIMENSION).forEach((value, number) => {
      expect(vector[number]).toBeCloseTo(value, 5)
    })
  })
}

async function recordsOf(api: ChromaApi, collection: CollectionDefinition): Promise<RecordBatch> {
  const include = ['documents', 'metadatas', 'uris', 'embeddings'] as const
  return api.get(collection, { limit: 10_000, offset: 0, include })
}

async function told(name: string, check: () => Promise<void>): Promise<void> {
  try {
    await check()
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

async function textOf(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}
