// Made the repositories in test/golden; run it only for a new format, never to replace what is here:
//   node --import ./test/helpers/run-typescript.js test/helpers/make-golden.ts <new folder>
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { createBackup } from '../../src/backup/create-backup.js'
import { newKeyFile, parseKeyFile, passphraseKey } from '../../src/backup/key-file.js'
import { addKey } from '../../src/backup/key-slots.js'
import { initRepository, type Repository } from '../../src/backup/repository.js'
import { IntegrityError } from '../../src/core/errors.js'
import { parseJson } from '../../src/core/json.js'
import type { MetadataValue } from '../../src/core/metadata.js'
import type { RecordSource } from '../../src/core/records.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { jobOf } from './backups.js'
import { FaultySource } from './faulty-source.js'
import { batchOf, definitionOf, MemorySource, type MemoryCollection } from './memory-source.js'
import { ModelCollection, type Change } from './timelines.js'
import { truthOf } from './truth.js'

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('name the folder to make')

const CREATED = new Date('2026-11-20T00:00:00Z')

/** Each type of metadata at its limits, text of all kinds, floats that are special. */
const traps: MemoryCollection = {
  definition: definitionOf('traps', {
    dimension: 3,
    metadata: new Map<string, MetadataValue>([
      ['hnsw:space', 'cosine'],
      ['revision', 9007199254740993n],
      ['share', 1],
    ]),
    configuration: parseJson('{"hnsw":{"space":"cosine","ef_search":100,"resize_factor":1.2},"spann":null}'),
    schema: parseJson(
      '{"defaults":{"float":{"float_inverted_index":{"enabled":true,"config":{}}}},"ratio":1.0}',
    ),
  }),
  batches: [
    batchOf([
      {
        id: 'plain',
        embedding: [1, 2, 3],
        document: 'a document',
        uri: 'file:///a',
        metadata: new Map([['n', 1n]]),
      },
      { id: 'nothing', embedding: [0, 0, 0] },
      { id: 'empty texts', embedding: [0.1, -0.2, 0.3], document: '', uri: '' },
      {
        id: 'ünï¢ødé 👍🏽 \u0000\u2028',
        embedding: [-0, 1e-45, 3.4028234663852886e38],
        document: 'Zeile 1\nZeile 2\t"\\',
      },
      {
        id: 'numbers',
        embedding: [1 / 3, Math.PI, -1e-20],
        metadata: new Map<string, MetadataValue>([
          ['one', 1n],
          ['one point zero', 1],
          ['minus zero', -0],
          ['largest', 2n ** 63n - 1n],
          ['smallest', -(2n ** 63n)],
          ['tiny', 5e-324],
          ['huge', 1.7976931348623157e308],
          ['tenth', 0.1],
        ]),
      },
      {
        id: 'others',
        embedding: [4, 5, 6],
        metadata: new Map<string, MetadataValue>([
          ['yes', true],
          ['no', false],
          ['text', 'größer'],
          ['', 'empty key'],
          ['__proto__', 'a key like any other'],
          ['7', 'seven'],
          ['texts', ['a', 'b']],
          ['integers', [1n, 2n]],
          ['doubles', [1, 2.5]],
          ['booleans', [true, false]],
          ['sparse', { indices: [1, 70000], values: [0.5, 2], tokens: ['a', 'b'] }],
        ]),
      },
    ]),
  ],
}

const empty: MemoryCollection = { definition: definitionOf('empty', { dimension: 768 }), batches: [] }

const elsewhere: MemoryCollection = {
  definition: definitionOf('traps', { tenant: 'tenant 2', database: 'größe', id: 'another', dimension: 2 }),
  batches: [
    batchOf([{ id: 'a', embedding: [1, 2] }]),
    batchOf([{ id: 'b', embedding: [3, 4], document: 'b' }]),
  ],
}

const lossy: MemoryCollection = {
  definition: definitionOf('lossy', { dimension: 2 }),
  batches: [
    batchOf([
      { id: 'a', embedding: [1, 2] },
      { id: 'b', embedding: null, document: 'its vector is lost' },
      { id: 'c', embedding: null },
      { id: 'd', embedding: [3, 4] },
    ]),
  ],
}

const broken: MemoryCollection = {
  definition: definitionOf('broken', { dimension: 2 }),
  batches: [batchOf([{ id: 'a', embedding: [1, 2] }])],
}

await golden('plain', async (repository, add) => {
  await add(repository, '2026-11-20T02:00:00Z', new MemorySource([empty, traps, elsewhere]))
})

await golden('history', async (repository, add) => {
  const grown: MemoryCollection = {
    ...elsewhere,
    batches: [...elsewhere.batches, batchOf([{ id: 'c', embedding: [5, 6] }])],
  }
  await add(repository, '2026-11-20T02:00:00Z', new MemorySource([empty, traps, elsewhere]))
  await add(repository, '2026-11-21T02:00:00Z', new MemorySource([empty, traps, elsewhere]))
  await add(repository, '2026-11-22T02:00:00Z', new MemorySource([empty, traps, grown]))
  await add(repository, '2026-11-23T02:00:00Z', new MemorySource([empty, traps, grown]), ['traps'])
})

await golden('layers', async (repository, add) => {
  const model = new ModelCollection('layered', 3, 40)
  const days: readonly (readonly Change[])[] = [
    [],
    [
      { kind: 'payload', record: 3 },
      { kind: 'vector', record: 4 },
      { kind: 'delete', record: 10 },
    ],
    [],
    [
      { kind: 'both', record: 3 },
      { kind: 'readd', record: 5 },
      { kind: 'add', record: 100 },
    ],
    [
      { kind: 'delete', record: 3 },
      { kind: 'both', record: 38 },
    ],
    [{ kind: 'many', record: 0, rows: 30 }],
  ]
  for (const [day, changes] of days.entries()) {
    for (const change of changes) model.apply(change)
    const time = new Date(Date.UTC(2026, 10, 20 + day, 2)).toISOString()
    await add(repository, time, new MemorySource([model.collection(16), traps]))
  }
})

await golden('encrypted', async (repository, add) => {
  await add(repository, '2026-11-20T02:00:00Z', new MemorySource([empty, traps, elsewhere]))
})

await golden('partial', async (repository, add) => {
  const source = new FaultySource([broken, lossy], { broken: new IntegrityError('the index is broken') })
  await add(repository, '2026-11-20T02:00:00Z', source)
})

await golden('many', async (repository, add) => {
  const collections = Array.from({ length: 160 }, (_, number) => ({
    definition: definitionOf(`c${String(number).padStart(3, '0')}`, { dimension: 1, configuration: null }),
    batches: [batchOf([{ id: `r${number}`, embedding: [number] }])],
  }))
  await add(repository, '2026-11-20T02:00:00Z', new MemorySource(collections))
})

/** A repository in `<name>/repository`, and for each of its backups `<name>/<backup id>.truth`. */
async function golden(
  name: string,
  fill: (
    repository: Repository,
    add: (
      repository: Repository,
      time: string,
      source: RecordSource,
      collections?: string[],
    ) => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  const place = path.join(folder ?? '', name)
  await mkdir(place, { recursive: true })
  const store = new LocalStore(path.join(place, 'repository'))
  const repository = await (name === 'encrypted' ? encrypted(store, place) : plain(store))
  await fill(repository, async (_, time, source, collections = []) => {
    const { head } = await createBackup(
      jobOf(repository, source, {
        now: () => new Date(time),
        series: 'golden',
        tags: { case: name },
        collections,
        layers: { leastBytes: 0 },
      }),
    )
    await writeFile(
      path.join(place, `${head.id}.truth`),
      await truthOf(await readable(source, head.scope.collections)),
    )
  })
}

/** What of the source the backup can hold: not what failed, not what was not asked for. */
async function readable(source: RecordSource, wanted: readonly string[]): Promise<RecordSource> {
  const definitions = await source.listCollections()
  const kept = definitions.filter(
    ({ name }) => name !== 'broken' && (wanted.length === 0 || wanted.includes(name)),
  )
  return {
    displayUrl: source.displayUrl,
    listCollections: async () => kept,
    openCollection: (definition, signal) => source.openCollection(definition, signal),
    close: () => source.close(),
  }
}

async function plain(store: LocalStore): Promise<Repository> {
  return (await initRepository({ store, now: CREATED })).repository
}

/** With a passphrase and a key file, which lie beside the repository. */
async function encrypted(store: LocalStore, place: string): Promise<Repository> {
  const [passphrase, keyText] = ['seven green bottles', newKeyFile(CREATED)]
  await writeFile(path.join(place, 'passphrase'), `${passphrase}\n`)
  await writeFile(path.join(place, 'key'), keyText)
  const key = passphraseKey(passphrase, 'passphrase')
  const given = () => Promise.resolve(key)
  const job = { store, now: CREATED, key: given, encrypt: { label: 'first', key: given } }
  const { repository } = await initRepository(job)
  const newKey = parseKeyFile(keyText, 'key')
  await addKey({ store, repository: repository.id, key, newKey, label: 'second', now: CREATED })
  return repository
}
