import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { BackupSource } from '../../src/backup/backup-source.js'
import { openRepository } from '../../src/backup/repository.js'
import { resolveBackup } from '../../src/backup/resolve-backup.js'
import type { ChromaApi } from '../../src/chroma/api.js'
import { concatBatches } from '../../src/core/concat-batches.js'
import type { CollectionDefinition, RecordBatch } from '../../src/core/records.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { seededRandom, startFaultProxy } from '../helpers/fault-proxy.js'
import { runJson } from '../helpers/outcomes.js'
import { expectSound, idOf } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'

/** `npm run test:soak` backs up more often. */
const ROUNDS = Number(process.env['CHROMA_OPS_TEST_BUSY_ROUNDS'] ?? 2)
const DIMENSION = 64
const STABLE = 1500
const RECORDS_PER_CHANGE = 10
const CHANGES_PER_SECOND = 50

const chroma = chromaForSuite()
let folder: string
let repo: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-busy-'))
  repo = path.join(folder, 'backups')
})

afterAll(() => rm(folder, { recursive: true }))

test(
  'about 500 records added, updated and deleted each second: whoever was there throughout is in the backup',
  async () => {
    await withApi(chroma().url, async (api) => {
      const collection = await api.createCollection({
        tenant: 'default_tenant',
        database: 'default_database',
        name: 'busy',
        metadata: null,
        schema: null,
        configuration: new Map([['hnsw', new Map([['space', 'l2']])]]),
      })
      await api.add(collection, versioned(ids('stable', 0, STABLE), 0))
      const writer = new Writer(api, collection)
      const writing = writer.run()
      try {
        for (let round = 0; round < ROUNDS; round++) await backUpWhileBusy(writer)
      } finally {
        writer.stop()
        await writing
      }
    })
    await expectSound(repo)
  },
  ROUNDS * 60_000,
)

async function backUpWhileBusy(writer: Writer): Promise<void> {
  // Slows the backup down, so that a lot happens meanwhile.
  const proxy = await startFaultProxy({
    target: chroma().url,
    decide: ({ path: url }) => (url.endsWith('/get') ? { kind: 'delay', ms: 300 } : undefined),
  })
  try {
    const began = writer.snapshot()
    const document = await runJson([
      'backup',
      '--url',
      proxy.url,
      '--repo',
      repo,
      '--init',
      '--series',
      'busy',
    ])
    const ended = writer.snapshot()
    expect(ended.changes - began.changes).toBeGreaterThan(20)
    const { consistency } = headOf(document)
    expect(consistency.kind).toBe('fuzzy')
    expect(consistency.added).toBeGreaterThan(0)
    expect(consistency.removed).toBeGreaterThan(0)

    const batch = await recordsOf(idOf(document['backup']))
    const found = new Set(batch.ids)
    expect(found.size).toBe(batch.ids.length)
    const throughout = [...began.present].filter(
      (id) => ended.present.has(id) && !ended.deletedSince(began, id),
    )
    expect(throughout.length).toBeGreaterThanOrEqual(STABLE)
    expect(throughout.filter((id) => !found.has(id))).toEqual([])
    expectKnownVersions(batch, began, ended)
  } finally {
    await proxy.close()
  }
}

/** Every part of a record is of a version that it had during the backup. */
function expectKnownVersions(batch: RecordBatch, began: Snapshot, ended: Snapshot): void {
  const strange = batch.ids.filter((id, row) => {
    const [oldest, newest] = [began.versions.get(id) ?? 0, ended.versions.get(id) ?? 0]
    const document = Number(/version (\d+)/.exec(batch.documents[row] ?? '')?.[1])
    const vector = batch.embeddings[row * batch.dimension] ?? NaN
    return [document, vector].some((version) => !(version >= oldest && version <= newest))
  })
  expect(strange).toEqual([])
}

interface Snapshot {
  readonly changes: number
  readonly present: ReadonlySet<string>
  readonly versions: ReadonlyMap<string, number>
  readonly deletions: ReadonlyMap<string, number>
  deletedSince(earlier: Snapshot, id: string): boolean
}

/** Adds, updates and deletes; knows what is there and which version it is. */
class Writer {
  readonly #api: ChromaApi
  readonly #collection: CollectionDefinition
  readonly #random = seededRandom(7)
  readonly #present = new Set(ids('stable', 0, STABLE))
  readonly #versions = new Map<string, number>(ids('stable', 0, STABLE).map((id) => [id, 0]))
  readonly #deletions = new Map<string, number>()
  #changes = 0
  #next = 0
  #stopped = false

  constructor(api: ChromaApi, collection: CollectionDefinition) {
    this.#api = api
    this.#collection = collection
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      const started = performance.now()
      await this.#change()
      await pause(Math.max(0, 1000 / CHANGES_PER_SECOND - (performance.now() - started)))
    }
  }

  stop(): void {
    this.#stopped = true
  }

  snapshot(): Snapshot {
    const deletions = new Map(this.#deletions)
    return {
      changes: this.#changes,
      present: new Set(this.#present),
      versions: new Map(this.#versions),
      deletions,
      deletedSince: (earlier, id) => (deletions.get(id) ?? 0) > (earlier.deletions.get(id) ?? 0),
    }
  }

  async #change(): Promise<void> {
    const dice = this.#random()
    this.#changes++
    if (dice < 0.4) await this.#add()
    else if (dice < 0.7) await this.#update()
    else await this.#delete()
  }

  async #add(): Promise<void> {
    const fresh = ids('churn', this.#next, RECORDS_PER_CHANGE)
    this.#next += RECORDS_PER_CHANGE
    for (const id of fresh) this.#versions.set(id, 0)
    await this.#api.add(this.#collection, versioned(fresh, 0))
    for (const id of fresh) this.#present.add(id)
  }

  /** New documents and vectors at once, as an application does it. */
  async #update(): Promise<void> {
    const first = Math.floor(this.#random() * (STABLE - RECORDS_PER_CHANGE))
    const some = ids('stable', first, RECORDS_PER_CHANGE)
    const version = this.#changes
    for (const id of some) this.#versions.set(id, version)
    await this.#api.upsert(this.#collection, versioned(some, version))
  }

  async #delete(): Promise<void> {
    const some = [...this.#present].filter((id) => id.startsWith('churn')).slice(0, RECORDS_PER_CHANGE)
    for (const id of some) {
      this.#present.delete(id)
      this.#deletions.set(id, (this.#deletions.get(id) ?? 0) + 1)
    }
    await this.#api.deleteRecords(this.#collection, some)
  }
}

function ids(prefix: string, first: number, count: number): string[] {
  return Array.from({ length: count }, (_, number) => `${prefix}-${first + number}`)
}

/** Records whose documents and vectors both tell the version. */
function versioned(names: readonly string[], version: number): RecordBatch {
  const embeddings = new Float32Array(names.length * DIMENSION)
  names.forEach((_, row) => embeddings.set([version, row], row * DIMENSION))
  return {
    ids: names,
    dimension: DIMENSION,
    embeddings,
    missingEmbeddings: [],
    documents: names.map((id) => `${id}, version ${version}`),
    uris: names.map(() => null),
    metadatas: names.map(() => null),
  }
}

async function recordsOf(id: string): Promise<RecordBatch> {
  const repository = await openRepository({ store: new LocalStore(repo) })
  const source = new BackupSource(repository, await resolveBackup(repository, id, {}))
  const [definition] = await source.listCollections()
  if (definition === undefined) throw new Error('the backup is empty')
  const batches: RecordBatch[] = []
  for await (const batch of (await source.openCollection(definition)).batches()) batches.push(batch)
  return concatBatches(batches, DIMENSION)
}

function headOf(document: Record<string, unknown>) {
  const { backup } = document
  if (typeof backup !== 'object' || backup === null || !('consistency' in backup))
    throw new Error('no backup')
  const { consistency } = backup
  if (typeof consistency !== 'object' || consistency === null) throw new Error('nothing about consistency')
  const fields = new Map<string, unknown>(Object.entries(consistency))
  return {
    consistency: {
      kind: fields.get('kind'),
      added: Number(fields.get('added')),
      removed: Number(fields.get('removed')),
    },
  }
}
