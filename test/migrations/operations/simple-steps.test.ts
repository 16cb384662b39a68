import { describe, expect, test } from '@jest/globals'

import { openOfficialClient } from '../../../src/chroma/open-official-client.js'
import type { CollectionSpec } from '../../../src/chroma/api.js'
import { isJsonObject, toPlain, type JsonValue } from '../../../src/core/json.js'
import type { Metadata } from '../../../src/core/metadata.js'
import { KEEP_UNTIL_KEY, TRASH_KEY } from '../../../src/core/migration-keys.js'
import type { CollectionDefinition } from '../../../src/core/records.js'
import { runStep } from '../../../src/migrations/operations/run-step.js'
import { undoStep, type UndoOptions } from '../../../src/migrations/operations/undo-step.js'
import type { StepOutcome } from '../../../src/migrations/step-outcome.js'
import type { Step } from '../../../src/migrations/step.js'
import { home, newCollection } from '../../helpers/api-for-suite.js'
import { stepBench } from './step-bench.js'

const bench = stepBench()
const options: UndoOptions = { acceptDataLoss: false, carry: true, down: () => null }

let names = 0
function newName(): string {
  return `made-${++names}`
}

function made(spec: Partial<Omit<CollectionSpec, 'configuration'>> = {}): Promise<CollectionDefinition> {
  return newCollection(bench().api, spec)
}

function found(name: string): Promise<CollectionDefinition | undefined> {
  return bench().api.findCollection({ ...home, name })
}

function run(step: Step): Promise<StepOutcome> {
  return runStep(step, bench().context())
}

async function undo(outcome: StepOutcome): Promise<StepOutcome> {
  if (outcome.undo === null) throw new Error('nothing to undo')
  return undoStep(outcome.undo, bench().context(), options)
}

async function addRecords(collection: CollectionDefinition, count: number): Promise<void> {
  const ids = Array.from({ length: count }, (_, at) => `id-${at}`)
  const nothing = ids.map(() => null)
  await bench().api.add(collection, {
    ids,
    dimension: 2,
    embeddings: Float32Array.from(ids.flatMap((_, at) => [at, 1])),
    missingEmbeddings: [],
    documents: nothing,
    uris: nothing,
    metadatas: nothing,
  })
}

function setting(collection: CollectionDefinition | undefined, ...path: string[]): JsonValue | undefined {
  let value: JsonValue | undefined = collection?.configuration
  for (const key of path) value = isJsonObject(value) ? value.get(key) : undefined
  return value
}

describe('create', () => {
  test('makes what was asked for, under its name at once, and takes it back', async () => {
    const name = newName()
    const outcome = await run({
      kind: 'create',
      collection: name,
      options: {
        space: 'cosine',
        configuration: { hnsw: { ef_search: 77, num_threads: 3, resize_factor: 2 } },
        metadata: { owner: 'ä', level: 1.5, count: 3 },
      },
    })
    const collection = await found(name)
    expect(collection?.metadata).toEqual(
      new Map<string, unknown>([
        ['owner', 'ä'],
        ['level', 1.5],
        ['count', 3n],
      ]),
    )
    expect(setting(collection, 'hnsw', 'space')).toBe('cosine')
    expect(setting(collection, 'hnsw', 'ef_search')).toBe(77n)
    expect(await undo(outcome)).toMatchObject({ notes: [] })
    expect(await found(name)).toBeUndefined()
    await undo(outcome)
  })

  test('what has records by now goes into the trash', async () => {
    const name = newName()
    const outcome = await run({ kind: 'create', collection: name, options: {} })
    const collection = await found(name)
    if (collection === undefined) throw new Error('not there')
    await addRecords(collection, 2)
    const { notes } = await undo(outcome)
    expect(notes).toEqual([
      expect.stringMatching(/is in the trash as made-\d+\.trash-[0-9a-f]{8} for 14 days/),
    ])
    expect(await found(name)).toBeUndefined()
  })

  test.each<[string, Step, RegExp]>([
    ['a bad name', { kind: 'create', collection: 'a', options: {} }, /3 to 512 characters/],
    [
      'a name of our own',
      { kind: 'create', collection: 'chroma-ops.state', options: {} },
      /chroma-ops itself/,
    ],
    [
      'hnsw:space',
      { kind: 'create', collection: 'x-one', options: { metadata: { 'hnsw:space': 'ip' } } },
      /"hnsw:space" would change nothing/,
    ],
    [
      'a list',
      { kind: 'create', collection: 'x-two', options: { metadata: { tags: ['a'] } } },
      /"tags" is a list/,
    ],
    [
      'an unknown setting',
      { kind: 'create', collection: 'x-three', options: { configuration: { bogus: 1 } } },
      /does not keep: bogus/,
    ],
  ])('refuses %s and leaves nothing', async (_, step, message) => {
    const before = await bench().api.listCollections(home.tenant, home.database)
    await expect(run(step)).rejects.toThrow(message)
    expect(await bench().api.listCollections(home.tenant, home.database)).toHaveLength(before.length)
  })

  test('does not take the collection of another', async () => {
    const { name } = await made()
    await expect(run({ kind: 'create', collection: name, options: {} })).rejects.toMatchObject({
      code: 'NAME_TAKEN',
    })
  })
})

describe('drop', () => {
  test('keeps records and metadata in the trash, and brings them back', async () => {
    const collection = await made({ metadata: new Map([['a', 1n]]) })
    await addRecords(collection, 3)
    const outcome = await run({ kind: 'drop', collection: collection.name, keep: '2d' })
    expect(outcome).toMatchObject({
      records: 3,
      undo: { kind: 'untrash', name: collection.name, keepUntil: '2026-11-23T00:00:00.000Z' },
    })
    expect(await found(collection.name)).toBeUndefined()
    if (outcome.undo?.kind !== 'untrash') throw new Error('another undo')
    const trashed = await found(outcome.undo.collection.name)
    expect(trashed?.name).toMatch(/\.trash-[0-9a-f]{8}$/)
    expect(trashed?.metadata?.get(TRASH_KEY)).toBe('00001')
    expect(trashed?.metadata?.get(KEEP_UNTIL_KEY)).toBe('2026-11-23T00:00:00.000Z')
    await undo(outcome)
    await undo(outcome)
    expect(await found(collection.name)).toMatchObject({ id: collection.id, metadata: new Map([['a', 1n]]) })
  })

  test('a name that was given away meanwhile is not taken back', async () => {
    const collection = await made()
    const outcome = await run({ kind: 'drop', collection: collection.name, keep: 'forever' })
    expect(outcome.undo).toMatchObject({ keepUntil: null })
    await made({ name: collection.name })
    await expect(undo(outcome)).rejects.toMatchObject({ code: 'NAME_TAKEN' })
  })

  test('a collection that is not there', async () => {
    await expect(run({ kind: 'drop', collection: 'nowhere', keep: '0' })).rejects.toMatchObject({
      code: 'COLLECTION_NOT_FOUND',
      exitCode: 10,
    })
  })
})

test('rename, there and back, but onto nobody else', async () => {
  const [collection, other] = [await made(), await made()]
  const to = newName()
  await expect(run({ kind: 'rename', collection: collection.name, to: other.name })).rejects.toMatchObject({
    code: 'NAME_TAKEN',
  })
  const outcome = await run({ kind: 'rename', collection: collection.name, to })
  expect(await found(to)).toMatchObject({ id: collection.id })
  await undo(outcome)
  await undo(outcome)
  expect(await found(collection.name)).toMatchObject({ id: collection.id })
})

describe('setMetadata', () => {
  const before: Metadata = new Map<string, string | bigint | number>([
    ['hnsw:M', 16n],
    ['double', 1],
    ['large', 9007199254740993n],
    ['gone', 'x'],
  ])

  test('keeps what the function gives back, to the type, and what is not its own', async () => {
    const collection = await made()
    await bench().api.updateCollection(collection, { newMetadata: before })
    const outcome = await run({
      kind: 'setMetadata',
      collection: collection.name,
      change: ({ gone, ...previous }) => ({ ...previous, added: typeof gone }),
    })
    const { metadata } = (await found(collection.name)) ?? {}
    expect(metadata).toEqual(
      new Map<string, unknown>([
        ['hnsw:M', 16n],
        ['double', 1],
        ['large', 9007199254740993n],
        ['added', 'string'],
      ]),
    )
    await bench().api.updateCollection(collection, {
      newMetadata: new Map([...(metadata ?? []), ['by another', true], ['added', 'by another']]),
    })
    const undone = await undo(outcome)
    expect(undone.notes).toEqual([expect.stringContaining('stays: added')])
    expect((await found(collection.name))?.metadata).toEqual(
      new Map([...before, ['by another', true], ['added', 'by another']]),
    )
  })

  test('null takes all of it away', async () => {
    const collection = await made({ metadata: new Map([['a', 1n]]) })
    const outcome = await run({ kind: 'setMetadata', collection: collection.name, change: null })
    expect((await found(collection.name))?.metadata).toBeNull()
    await undo(outcome)
    expect((await found(collection.name))?.metadata).toEqual(new Map([['a', 1n]]))
  })

  test.each<[string, unknown, RegExp]>([
    ['a list, which would end a server', { tags: ['a'] }, /"tags" is a list/],
    ['null', { a: null }, /"a" is null: leave the key out/],
    ['an object', { a: { b: 1 } }, /"a" is an object/],
    ['hnsw:space', { 'hnsw:space': 'cosine' }, /"hnsw:space" would change nothing about the index/],
    ['a key of ours', { 'chroma-ops:shadow': 'x' }, /kept for chroma-ops itself/],
    ['nothing', undefined, /undefined was given/],
  ])('refuses %s', async (_, given, message) => {
    const collection = await made({ metadata: new Map([['a', 1n]]) })
    const change: unknown = () => given
    if (!isChange(change)) throw new TypeError('no function')
    await expect(run({ kind: 'setMetadata', collection: collection.name, change })).rejects.toThrow(message)
    expect((await found(collection.name))?.metadata).toEqual(new Map([['a', 1n]]))
  })

  test('names the function that throws', async () => {
    const { name } = await made()
    const change = () => {
      throw new Error('my own')
    }
    await expect(run({ kind: 'setMetadata', collection: name, change })).rejects.toThrow(
      `setMetadata of ${name} failed: my own`,
    )
  })
})

function isChange(value: unknown): value is () => null {
  return typeof value === 'function'
}

describe('setConfiguration', () => {
  test('changes what can change, and takes it back', async () => {
    const collection = await made()
    const outcome = await run({
      kind: 'setConfiguration',
      collection: collection.name,
      configuration: { hnsw: { ef_search: 50, num_threads: 5, resize_factor: 2 } },
    })
    expect(setting(await found(collection.name), 'hnsw', 'ef_search')).toBe(50n)
    if (outcome.undo?.kind !== 'setConfiguration') throw new Error('another undo')
    expect(toPlain(outcome.undo.previous)).toEqual({
      hnsw: { ef_search: 100, num_threads: expect.any(Number), resize_factor: 1.2 },
    })
    await undo(outcome)
    expect(setting(await found(collection.name), 'hnsw', 'ef_search')).toBe(100n)
    expect(setting(await found(collection.name), 'hnsw', 'resize_factor')).toBe(1.2)
  })

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['the space', { hnsw: { space: 'cosine' } }, /hnsw.space cannot change in place/],
    ['ef_construction', { hnsw: { ef_construction: 5 } }, /ef_construction cannot change/],
    [
      'max_neighbors, which a server only echoes',
      { hnsw: { max_neighbors: 5 } },
      /max_neighbors cannot change/,
    ],
    ['an unknown group', { bogus: 1 }, /"bogus" is no group/],
    ['an unknown setting', { hnsw: { bogus: 1 } }, /unknown field `bogus`/],
    [
      'what a server takes and ignores',
      { spann: { ef_search: 7 } },
      /took the settings and did not make them: spann.*ef_search|spann/,
    ],
    ['nothing', {}, /is empty/],
    ['a function', { hnsw: { ef_search: () => 1 } }, /plain data/],
  ])('refuses %s', async (_, configuration, message) => {
    const { name } = await made()
    await expect(run({ kind: 'setConfiguration', collection: name, configuration })).rejects.toThrow(message)
  })

  test('another embedding function only where there are no vectors of the old one', async () => {
    const collection = await made()
    const configuration = { embedding_function: { type: 'known', name: 'default', config: {} } }
    const step: Step = { kind: 'setConfiguration', collection: collection.name, configuration }
    await run(step)
    expect(setting(await found(collection.name), 'embedding_function', 'name')).toBe('default')
    await addRecords(collection, 1)
    await expect(run(step)).rejects.toMatchObject({
      code: 'OPERATION_REFUSED',
      hint: expect.stringContaining('reembed'),
    })
  })
})

describe('code', () => {
  test('runs, says its name when it fails, and has the down that it has', async () => {
    const calls: string[] = []
    const code = (run: () => void, down: (() => void) | null): Step => ({
      kind: 'code',
      name: 'notify',
      run,
      down,
    })
    expect(await run(code(() => void calls.push('up'), null))).toMatchObject({ undo: null })
    const outcome = await run(
      code(
        () => void calls.push('up'),
        () => {},
      ),
    )
    expect(outcome.undo).toEqual({ kind: 'code', name: 'notify' })
    await undoStep({ kind: 'code', name: 'notify' }, bench().context(), {
      ...options,
      down: () => () => void calls.push('down'),
    })
    expect(calls).toEqual(['up', 'up', 'down'])
    await expect(undo(outcome)).rejects.toThrow('step "notify" has no down')
    const failing = code(() => {
      throw new Error('my own')
    }, null)
    await expect(run(failing)).rejects.toThrow('step "notify" failed: my own')
  })

  test('gets the official client of the same database', async () => {
    await made()
    let seen = 0
    const step: Step = {
      kind: 'client',
      name: 'count',
      run: async (client) => {
        seen = await client.countCollections()
      },
    }
    const url = bench().api.transport.displayUrl
    const openClient = () => openOfficialClient({ url }, home)
    expect(await runStep(step, bench().context({ openClient }))).toMatchObject({ undo: null })
    expect(seen).toBe((await bench().api.listCollections(home.tenant, home.database)).length)
  })

  test('is not waited for after an abort', async () => {
    const stop = new AbortController()
    const context = bench().context({ signal: stop.signal })
    const step: Step = { kind: 'code', name: 'endless', run: () => new Promise(() => {}), down: null }
    const running = runStep(step, context)
    stop.abort(new Error('enough'))
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
  })

  test('no step writes once the lock is lost', async () => {
    const collection = await made()
    const guard = { check: () => Promise.reject(new Error('lost')) }
    const context = () => bench().context({ guard })
    const { name } = collection
    const steps: Step[] = [
      { kind: 'create', collection: newName(), options: {} },
      { kind: 'rename', collection: name, to: newName() },
      { kind: 'drop', collection: name, keep: '1d' },
      { kind: 'setMetadata', collection: name, change: { a: 1 } },
      { kind: 'setConfiguration', collection: name, configuration: { hnsw: { ef_search: 9 } } },
      { kind: 'code', name: 'code', run: () => Promise.reject(new Error('ran')), down: null },
      { kind: 'merge', collection: name, others: [], into: newName(), onConflict: 'fail' },
    ]
    const before = await bench().api.listCollections(home.tenant, home.database)
    for (const step of steps) await expect(runStep(step, context())).rejects.toThrow('lost')
    expect(await bench().api.listCollections(home.tenant, home.database)).toEqual(before)
  })
})
