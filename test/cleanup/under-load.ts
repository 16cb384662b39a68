import { setTimeout as sleep } from 'node:timers/promises'

import { expect } from '@jest/globals'

import { applyCleanup } from '../../src/cleanup/apply.js'
import type { TestChroma } from '../helpers/chroma-server.js'
import { post } from '../helpers/littered-directory.js'
import { cleanupJob } from './jobs.js'

let names = 0
const ROUND = ['orphans', 'wal'] as const

/** Of each writer, at least. */
const STEPS = 6
const LIMIT_MS = 100_000

/**
 * Cleans again and again, `rounds` times at least and until every writer has written enough, while a real server is
 * written to: records are added, changed and deleted, and collections come and go. Every write that the server has
 * accepted must be there afterwards, with its vector.
 */
export async function cleanUnderLoad(server: TestChroma, rounds: number): Promise<void> {
  const place = `${server.url}/api/v2/tenants/default_tenant/databases/default_database/collections`
  const writers = ['one', 'two', 'six'].map((name) => new Writer(place, `${name}-${++names}`))
  const stop = new AbortController()
  const load = Promise.all([
    ...writers.map((writer) => writer.run(stop.signal)),
    comeAndGo(place, stop.signal),
  ])
  let removed = 0
  // Whoever waits for it sees what went wrong.
  load.catch(() => {})
  const began = Date.now()
  const isEnough = () => removed > 0 && writers.every(({ steps }) => steps >= STEPS)
  try {
    for (let round = 0; round < rounds || !isEnough(); round++) {
      if (Date.now() - began > LIMIT_MS) throw new Error(`not enough was written in ${LIMIT_MS} ms`)
      const result = await applyCleanup(
        cleanupJob(server.directory, { targets: ROUND, serverStopped: false }),
      )
      expect(result.errors).toEqual([])
      removed += result.removed.reduce((sum, { count }) => sum + count, 0)
      await Promise.race([sleep(Math.random() * 60), load])
    }
  } finally {
    stop.abort()
    await load
  }
  for (const restart of [false, true]) {
    if (restart) await server.restart()
    for (const writer of writers) await writer.expectAllThere()
  }
}

/** One collection, and what must be in it. */
class Writer {
  readonly #place: string
  readonly #name: string
  readonly #expected = new Map<string, readonly number[]>()
  #id = ''
  /** How often it has written. */
  steps = 0

  constructor(place: string, name: string) {
    this.#place = place
    this.#name = name
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#id = await created(this.#place, this.#name)
    for (let step = 0; !signal.aborted; step++, this.steps++) {
      const ids = Array.from({ length: 6 }, (_, row) => `${step}-${row}`)
      await this.#write('add', ids, step)
      if (step % 3 === 1) await this.#write('upsert', ids.slice(0, 2), step + 0.5)
      if (step % 4 === 2) {
        await post(`${this.#place}/${this.#id}/delete`, { ids: ids.slice(4) })
        for (const id of ids.slice(4)) this.#expected.delete(id)
      }
    }
  }

  async expectAllThere(): Promise<void> {
    const answer = await post(`${this.#place}/${this.#id}/get`, { include: ['embeddings', 'documents'] })
    const { ids, embeddings }: { ids: string[]; embeddings: number[][] } = Object.assign(
      { ids: [], embeddings: [] },
      answer,
    )
    expect(new Map(ids.map((id, row) => [id, embeddings[row]]))).toEqual(this.#expected)
    expect(ids.length).toBeGreaterThan(0)
  }

  async #write(verb: 'add' | 'upsert', ids: readonly string[], value: number): Promise<void> {
    const vector = [value, 1, 0.5]
    await post(`${this.#place}/${this.#id}/${verb}`, {
      ids,
      embeddings: ids.map(() => vector),
      documents: ids.map((id) => `document ${id}`),
    })
    for (const id of ids) this.#expected.set(id, vector)
  }
}

/** Leaves a directory and rows behind, each time. */
async function comeAndGo(place: string, signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    const name = `short-lived-${++names}`
    const id = await created(place, name)
    const ids = Array.from({ length: 12 }, (_, row) => String(row))
    await post(`${place}/${id}/add`, {
      ids,
      embeddings: ids.map(() => [turn, 2, 3]),
      metadatas: ids.map((row) => ({ tags: [row, 'x'] })),
    })
    await fetch(`${place}/${name}`, { method: 'DELETE', signal: AbortSignal.timeout(LIMIT_MS) })
  }
}

async function created(place: string, name: string): Promise<string> {
  const configuration = { hnsw: { sync_threshold: 10, batch_size: 5 } }
  const { id }: { id: string } = Object.assign({ id: '' }, await post(place, { name, configuration }))
  return id
}
