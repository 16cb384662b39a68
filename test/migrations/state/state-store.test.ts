import { afterEach, describe, expect, test } from '@jest/globals'

import { parseJson } from '../../../src/core/json.js'
import { STATE_KEY, STATE_NAME } from '../../../src/core/migration-keys.js'
import { LockLostError } from '../../../src/migrations/state/lock-errors.js'
import type { MigrationRow } from '../../../src/migrations/state/row.js'
import { readEvents, readState, type StateEvent } from '../../../src/migrations/state/state-store.js'
import { openState } from '../../../src/migrations/state/state-writer.js'
import { apiForSuite, apiThroughProxy, home } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migrationRow, stepRow } from '../../helpers/migration-rows.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const place = () => ({ api: api(), ...home })
const held = { check: async () => {} }

afterEach(async () => {
  for (const collection of await api().listCollections(home.tenant, home.database))
    await api().deleteCollection(collection)
})

const event: Omit<StateEvent, 'seq'> = {
  version: '00001',
  attempt: 1,
  at: '2030-01-01T00:00:00.000Z',
  event: 'started',
  message: 'docs',
  actor: 'ada',
  runId: 'run',
}

/** Every kind of way back, and progress with all that JSON can say. */
const full: MigrationRow = migrationRow({
  status: 'failed',
  finishedAt: '2030-01-01T00:00:01.000Z',
  touched: null,
  error: { code: 'MIGRATION_FAILED', message: 'it – "broke"\n' },
  backup: { repository: '/backups', id: '20300101T000000Z-docs-7f3k', collections: ['docs'], beforeStep: 2 },
  fingerprints: [
    { name: 'docs', id: 'id', dimension: 384, space: 'cosine', count: 12 },
    { name: 'gone', id: null, dimension: null, space: '', count: 0 },
  ],
  steps: [
    stepRow({ progress: parseJson('{"n":1152921504606846976,"__proto__":1.0,"list":[1,1.5,null]}') }),
    stepRow({
      state: 'done',
      notes: ['an intruder'],
      undo: {
        kind: 'setMetadata',
        collection: { ...home, name: 'docs', id: 'id' },
        previous: new Map([['whole double', 1]]),
        applied: null,
      },
    }),
    stepRow({
      undo: {
        kind: 'swapBack',
        live: { ...home, name: 'docs', id: 'new' },
        kept: { ...home, name: 'docs.old-00000000', id: 'old' },
        keepUntil: null,
        newVectors: true,
        ledger: null,
      },
    }),
    stepRow({ undo: { kind: 'dropCreated', collections: [{ ...home, name: 'a', id: 'b' }] } }),
  ],
})

describe('a database that was never migrated', () => {
  test('stays as it is when it is read', async () => {
    expect(await readState(place())).toEqual({ exists: false, rows: [], environment: null })
    expect(await readEvents(place(), null)).toEqual([])
    expect(await api().listCollections(home.tenant, home.database)).toEqual([])
  })

  test('gets its state only under the lock', async () => {
    const lost = { check: async () => Promise.reject(new LockLostError('it is a test')) }
    await expect(openState(place(), lost)).rejects.toThrow(LockLostError)
    expect(await api().listCollections(home.tenant, home.database)).toEqual([])
    await openState(place(), held)
    expect(await readState(place())).toEqual({ exists: true, rows: [], environment: null })
  })
})

describe('rows', () => {
  test('come back as they were written, by version', async () => {
    const state = await openState(place(), held)
    const second = migrationRow({ version: '00002', status: 'applied' })
    await state.putRow(second)
    await state.putRow(full)
    await state.setEnvironment('production')
    expect(await readState(place())).toEqual({
      exists: true,
      rows: [full, second],
      environment: 'production',
    })
    const again = await openState(place(), held)
    expect(again.rows).toEqual([full, second])
    expect(again.environment).toBe('production')
  })

  test('of any length, in documents that Chroma Cloud takes', async () => {
    const state = await openState(place(), held)
    const long = migrationRow({ steps: [stepRow({ progress: 'ä€😀"\\'.repeat(20_000) }), stepRow()] })
    await state.putRow(long)
    expect((await readState(place())).rows).toEqual([long])
    const documents = await allDocuments()
    expect(documents.length).toBeGreaterThan(10)
    for (const document of documents) expect(Buffer.byteLength(document ?? '')).toBeLessThan(16_384)
    // Shorter again, by another run: nothing of the old one is left.
    await (await openState(place(), held)).putRow(migrationRow())
    expect((await readState(place())).rows).toEqual([migrationRow()])
    expect(await allDocuments()).toHaveLength(1)
  })

  test('that are written in parts are whole for who reads meanwhile', async () => {
    const state = await openState(place(), held)
    const versions = ['a', 'b'].map((letter) =>
      migrationRow({ steps: [stepRow({ progress: letter.repeat(40_000) })] }),
    )
    await state.putRow(versions[0] ?? migrationRow())
    const writing = Array.from({ length: 12 }, (_, round) =>
      state.putRow(versions[round % 2] ?? migrationRow()),
    )
    const reading = Array.from({ length: 24 }, () => readState(place()))
    for (const { rows } of await Promise.all(reading)) expect(versions).toContainEqual(rows[0])
    await Promise.all(writing)
  })

  test('stay as they were when the process dies in the midst of writing a longer one', async () => {
    await (await openState(place(), held)).putRow(full)
    const proxied = await apiThroughProxy(chroma().url, ({ path }) =>
      path.endsWith('/add') ? { kind: 'status', status: 403 } : undefined,
    )
    const state = await openState({ api: proxied.api, ...home }, held)
    const long = migrationRow({ steps: [stepRow({ progress: 'x'.repeat(40_000) })] })
    await expect(state.putRow(long)).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    expect((await readState(place())).rows).toEqual([full])
    await proxied.close()
  })

  test('forgotten, they are gone; their events stay', async () => {
    const state = await openState(place(), held)
    await state.putRow(migrationRow())
    await state.addEvent(event)
    await state.removeRow('00001')
    expect(state.rows).toEqual([])
    expect((await readState(place())).rows).toEqual([])
    expect(await readEvents(place(), null)).toHaveLength(1)
  })

  test('a short history is two requests', async () => {
    const state = await openState(place(), held)
    await state.putRow(full)
    const proxied = await apiThroughProxy(chroma().url, () => undefined)
    const before = proxied.proxy.requests.length
    await readState({ api: proxied.api, ...home })
    expect(proxied.proxy.requests.slice(before).map(({ method }) => method)).toEqual(['GET', 'POST'])
    await proxied.close()
  })
})

describe('the journal of a step', () => {
  test('is what a later run reads', async () => {
    const state = await openState(place(), held)
    await state.putRow(migrationRow({ steps: [stepRow(), stepRow({ title: 'second' })] }))
    const journal = state.journalOf('00001', 1)
    expect(journal.read()).toBeNull()
    await Promise.all([journal.put('copying'), state.updateRow('00001', (row) => ({ ...row, name: 'new' }))])
    const later = await openState(place(), held)
    expect(later.journalOf('00001', 1).read()).toBe('copying')
    expect(later.row('00001')).toMatchObject({
      name: 'new',
      steps: [{ progress: null }, { title: 'second' }],
    })
  })

  test('refuses what is put when the lock is lost', async () => {
    let check = async () => {}
    const state = await openState(place(), { check: () => check() })
    await state.putRow(migrationRow({ steps: [stepRow()] }))
    check = async () => Promise.reject(new LockLostError('it is a test'))
    const journal = state.journalOf('00001', 0)
    await expect(journal.put('more')).rejects.toMatchObject({ exitCode: 11 })
    expect(journal.read()).toBeNull()
    expect((await readState(place())).rows[0]?.steps[0]?.progress).toBeNull()
    check = async () => {}
    await journal.put('more')
    expect((await readState(place())).rows[0]?.steps[0]?.progress).toBe('more')
  })
})

describe('the history', () => {
  test('is numbered by version and attempt, over runs', async () => {
    const first = await openState(place(), held)
    await first.addEvent(event)
    await first.addEvent({ ...event, event: 'failed' })
    const later = await openState(place(), held)
    await later.addEvent({ ...event, event: 'interrupted' })
    await later.addEvent({ ...event, attempt: 2 })
    await later.addEvent({ ...event, version: '00002' })
    const events = await readEvents(place(), '00001')
    expect(events.map(({ attempt, seq, event: what }) => [attempt, seq, what])).toEqual([
      [1, 1, 'started'],
      [1, 2, 'failed'],
      [1, 3, 'interrupted'],
      [2, 1, 'started'],
    ])
    expect(await readEvents(place(), null)).toHaveLength(5)
  })

  test('what another run has written is never overwritten, and told', async () => {
    const [one, two] = [await openState(place(), held), await openState(place(), held)]
    await one.addEvent({ ...event, runId: 'one' })
    await expect(two.addEvent({ ...event, runId: 'two' })).rejects.toMatchObject({
      code: 'MIGRATION_STATE_CONFLICT',
      exitCode: 11,
    })
    expect(await readEvents(place(), null)).toMatchObject([{ runId: 'one' }])
  })

  test('an answer that gets lost makes no second event', async () => {
    await openState(place(), held)
    let isLost = true
    const proxied = await apiThroughProxy(chroma().url, ({ path }) => {
      if (!path.endsWith('/add') || !isLost) return undefined
      isLost = false
      return { kind: 'reset', when: 'after' }
    })
    const state = await openState({ api: proxied.api, ...home }, held)
    await state.addEvent(event)
    expect(await readEvents(place(), null)).toEqual([{ ...event, seq: 1 }])
    await proxied.close()
  })

  test('of more than a page is read whole, in answers of 300 at most', async () => {
    const state = await openState(place(), held)
    await state.putRow(full)
    await addDocuments(
      Array.from({ length: 319 }, (_, at) => [
        `e:00001:1:${String(at + 1).padStart(5, '0')}`,
        JSON.stringify({ ...event, seq: at + 1 }),
      ]),
    )
    await (await openState(place(), held)).addEvent(event)
    const limits: unknown[] = []
    const proxied = await apiThroughProxy(chroma().url, ({ path, body }) => {
      if (path.endsWith('/get')) limits.push(JSON.parse(body.toString()))
      return undefined
    })
    const there = { api: proxied.api, ...home }
    expect((await readEvents(there, null)).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 320 }, (_, at) => at + 1),
    )
    expect((await readState(there)).rows).toEqual([full])
    for (const asked of limits)
      if (typeof asked === 'object' && asked !== null && !('ids' in asked))
        expect(asked).toMatchObject({ limit: 300 })
    await proxied.close()
  })
})

describe('what is not understood is not touched', () => {
  test.each([
    ['a collection that an application has made again', null, 15, 'MIGRATION_STATE_FOREIGN'],
    ['a newer format', new Map([[STATE_KEY, 2n]]), 16, 'MIGRATION_STATE_NEWER'],
  ])('%s', async (_, metadata, exitCode, code) => {
    await api().createCollection({ ...home, name: STATE_NAME, metadata, configuration: null, schema: null })
    await expect(readState(place())).rejects.toMatchObject({ exitCode, code })
    await expect(openState(place(), held)).rejects.toMatchObject({ exitCode, code })
    await expect(readEvents(place(), null)).rejects.toMatchObject({ exitCode, code })
  })

  test.each(['no json', '{"version":"00001"}', '{"parts":["p:m:00001:0"]}', '{"parts":[]}'])(
    'a row that reads %s',
    async (document) => {
      await openState(place(), held)
      await addDocuments([['m:00001', document]])
      await expect(readState(place())).rejects.toMatchObject({
        code: 'MIGRATION_STATE_DAMAGED',
        exitCode: 13,
      })
    },
  )
})

async function addDocuments(records: readonly (readonly [id: string, document: string])[]): Promise<void> {
  const collection = await api().getCollection({ ...home, name: STATE_NAME })
  await api().add(collection, {
    ids: records.map(([id]) => id),
    dimension: 1,
    embeddings: new Float32Array(records.length).fill(1),
    missingEmbeddings: [],
    documents: records.map(([, document]) => document),
    uris: records.map(() => null),
    metadatas: records.map(() => null),
  })
}

async function allDocuments(): Promise<readonly (string | null)[]> {
  const collection = await api().getCollection({ ...home, name: STATE_NAME })
  return (await api().get(collection, { include: ['documents'] })).documents
}

test('what looks like a secret in an error is not kept', async () => {
  const state = await openState(place(), held)
  const message = 'https://ada:hunter22@queue.example is away'
  await state.putRow(migrationRow({ status: 'failed', error: { code: 'MIGRATION_FAILED', message } }))
  await state.addEvent({ ...event, event: 'failed', message })
  const masked = 'https://***@queue.example is away'
  expect((await readState(place())).rows[0]?.error?.message).toBe(masked)
  expect((await readEvents(place(), null)).map((one) => one.message)).toEqual([masked])
})
