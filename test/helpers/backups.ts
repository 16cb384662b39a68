import { hash } from 'node:crypto'

import type { BackupJob } from '../../src/backup/backup-job.js'
import { parseKeyFile, type RepositoryKey } from '../../src/backup/key-file.js'
import { initRepository, type Repository } from '../../src/backup/repository.js'
import { silentProgress, type Progress, type Warning } from '../../src/core/progress.js'
import type { CollectionDefinition, RecordBatch, RecordSource } from '../../src/core/records.js'
import type { BlobStore } from '../../src/storage/blob-store.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { definitionOf, MemorySource, type MemoryCollection } from './memory-source.js'

export const FIRST_NIGHT = new Date('2026-11-20T02:00:00Z')

export async function newRepository(store: BlobStore = new MemoryStore()): Promise<Repository> {
  const { repository } = await initRepository({ store, now: FIRST_NIGHT })
  return repository
}

/** A whole job for tests that care about few of its parts. */
export function jobOf(
  repository: Repository,
  source: RecordSource,
  overrides: Partial<BackupJob> = {},
): BackupJob {
  return {
    repository,
    source,
    target: { url: 'http://127.0.0.1:8000', fingerprint: {} },
    scope: { tenants: ['default_tenant'], databases: null },
    series: 'docs',
    tags: {},
    allowEmpty: false,
    allowShrink: false,
    actor: 'tester',
    host: 'testhost',
    toolVersion: '0.1.0',
    now: () => FIRST_NIGHT,
    progress: silentProgress,
    ...overrides,
  }
}

/** `rows` records with ids `<prefix>0`, `<prefix>1` …; the same arguments give the same records. */
export function numberedBatch(rows: number, dimension = 3, prefix = 'r'): RecordBatch {
  const numbers = Array.from({ length: rows }, (_, row) => row)
  return {
    ids: numbers.map((row) => `${prefix}${row}`),
    dimension,
    embeddings: noise(rows * dimension, rows),
    missingEmbeddings: [],
    documents: numbers.map((row) => (row % 5 === 0 ? null : `document ${row} of ${prefix}`)),
    uris: numbers.map((row) => (row % 7 === 0 ? `https://example.com/${row}` : null)),
    metadatas: numbers.map((row) =>
      row % 3 === 0
        ? null
        : new Map<string, bigint | number | string>([
            ['row', BigInt(row)],
            ['share', row / 2],
            ['prefix', prefix],
          ]),
    ),
  }
}

function noise(length: number, seed: number): Float32Array {
  const floats = new Float32Array(length)
  for (let at = 0; at < length; at++) floats[at] = Math.imul(at + seed, 0x9e3779b1) / 2 ** 31
  return floats
}

export function collectionOf(
  name: string,
  batches: readonly RecordBatch[],
  overrides: Partial<CollectionDefinition> = {},
): MemoryCollection {
  const dimension = batches[0]?.dimension ?? null
  return { definition: definitionOf(name, { dimension, ...overrides }), batches }
}

export function sourceOf(...collections: readonly MemoryCollection[]): MemorySource {
  return new MemorySource(collections)
}

export interface RecordedProgress extends Progress {
  readonly warnings: readonly Warning[]
}

export function recordedProgress(): RecordedProgress {
  const warnings: Warning[] = []
  return { update: () => {}, warn: (warning) => warnings.push(warning), warnings }
}

/** Everything a source holds, sorted by name, for comparing whole sources. */
export async function readEverything(source: RecordSource) {
  const collections = []
  for (const definition of await source.listCollections()) {
    const reader = await source.openCollection(definition)
    const batches: RecordBatch[] = []
    for await (const batch of reader.batches()) batches.push(batch)
    collections.push({ definition, ...joined(batches) })
  }
  return collections.sort((a, b) => (nameOf(a.definition) < nameOf(b.definition) ? -1 : 1))
}

function nameOf({ tenant, database, name }: CollectionDefinition): string {
  return [tenant, database, name].join('\u0000')
}

/** The columns of consecutive batches as plain values; float32 by its bits, so that -0 and NaN count. */
function joined(batches: readonly RecordBatch[]) {
  const rows = batches.flatMap((batch) => batch.ids.map((_, row) => ({ batch, row })))
  return {
    ids: rows.map(({ batch, row }) => batch.ids[row]),
    documents: rows.map(({ batch, row }) => batch.documents[row]),
    uris: rows.map(({ batch, row }) => batch.uris[row]),
    metadatas: rows.map(({ batch, row }) => batch.metadatas[row]),
    missing: rows.map(({ batch, row }) => batch.missingEmbeddings.includes(row)),
    vectors: rows.map(({ batch, row }) => {
      const { dimension } = batch
      const floats = batch.embeddings.slice(row * dimension, (row + 1) * dimension)
      return hash('sha256', floats)
    }),
  }
}

/** A key file: unlike a passphrase, it opens at once. */
export function keyOf(name: string): RepositoryKey {
  return parseKeyFile(hash('sha256', name), name)
}

export const KEY = keyOf('the key of the tests')

/** An encrypted repository that {@link KEY} opens. */
export async function newEncryptedRepository(
  store: BlobStore = new MemoryStore(),
  key = KEY,
): Promise<Repository> {
  const job = { store, now: FIRST_NIGHT, key: () => Promise.resolve(key) }
  const { repository } = await initRepository({ ...job, encrypt: { label: 'first', key: job.key } })
  return repository
}
