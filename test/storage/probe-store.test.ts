import { afterEach, describe, expect, test } from '@jest/globals'

import { type BlobInfo, BlobExistsError, StoreAccessError } from '../../src/storage/blob-store.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { probeStore, type StoreProbeReport } from '../../src/storage/probe-store.js'
import { FakeS3, type FakeS3Options } from '../helpers/fake-s3.js'
import { openFakeS3Store } from './s3-under-test.js'

const cleanUps: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function onFake(options: FakeS3Options) {
  const fake = await FakeS3.start(options)
  const store = await openFakeS3Store(fake)
  cleanUps.push(
    () => fake.stop(),
    () => store.close(),
  )
  return { fake, store }
}

function outcomes({ promises }: StoreProbeReport): Record<string, string> {
  return Object.fromEntries(promises.map(({ promise, outcome }) => [promise, outcome]))
}

const KEPT = Object.fromEntries(
  [
    'read-after-write',
    'overwrite',
    'list-after-write',
    'range',
    'large-blob',
    'create-only',
    'create-race',
    'if-match',
    'stale-if-match',
    'clock',
    'delete',
  ].map((promise) => [promise, 'kept']),
)

describe('probeStore', () => {
  test('a good store keeps everything', async () => {
    const report = await probeStore(new MemoryStore())
    expect(outcomes(report)).toEqual(KEPT)
    expect(report.capabilities).toEqual({ putNew: 'atomic', putIfMatch: true })
  })

  test('a store that ignores conditions is found out', async () => {
    const { fake, store } = await onFake({ conditions: 'ignored' })
    const report = await probeStore(store)
    const broken = { 'create-only': 'broken', 'create-race': 'broken', 'stale-if-match': 'broken' }
    expect(outcomes(report)).toEqual({ ...KEPT, ...broken })
    expect(report.capabilities).toEqual({ putNew: 'none', putIfMatch: false })
    expect(await store.capabilities()).toEqual(report.capabilities)
    expect(fake.objects().size).toBe(0)
  })

  test('a store that refuses conditions says so', async () => {
    const { store } = await onFake({ conditions: 'refused' })
    const report = await probeStore(store)
    const refused = ['create-only', 'create-race', 'if-match', 'stale-if-match'].map((name) => [
      name,
      'unsupported',
    ])
    expect(outcomes(report)).toEqual({ ...KEPT, ...Object.fromEntries(refused) })
    expect(report.capabilities).toEqual({ putNew: 'none', putIfMatch: false })
    expect(await store.capabilities()).toEqual(report.capabilities)
  })

  test('a store that checks and then writes is weak: a race lets several through', async () => {
    class CheckThenWrite extends MemoryStore {
      override async putNew(key: string, bytes: Uint8Array) {
        const exists = await this.stat(key).then(
          () => true,
          () => false,
        )
        if (exists) throw new BlobExistsError(key)
        await this.put(key, bytes)
        return (await this.get(key)).version
      }
    }
    const store = new CheckThenWrite()
    const report = await probeStore(store)
    expect(outcomes(report)).toEqual({ ...KEPT, 'create-race': 'broken' })
    expect(report.capabilities.putNew).toBe('weak')
    expect((await store.capabilities()).putNew).toBe('weak')
  })

  test('a clock that is off is told', async () => {
    const { store } = await onFake({ clockAheadMs: 600_000 })
    const report = await probeStore(store)
    expect(outcomes(report)).toEqual({ ...KEPT, clock: 'broken' })
    expect(Math.round((report.clockSkewMs ?? 0) / 10_000)).toBe(60)
  })

  test('rights to write but not to delete: told, with what was left behind', async () => {
    class AppendOnly extends MemoryStore {
      override async delete(key: string) {
        throw new StoreAccessError(`may not delete ${key}`)
      }
    }
    const store = new AppendOnly()
    const report = await probeStore(store)
    expect(outcomes(report)).toEqual({ ...KEPT, delete: 'broken' })
    const left: string[] = []
    for await (const { key } of store.list('')) left.push(key)
    expect([...report.leftBehind].sort()).toEqual(left)
    expect(await store.capabilities()).toEqual({ putNew: 'atomic', putIfMatch: true })
  })

  class OldValues extends MemoryStore {
    override async put(key: string, bytes: Uint8Array) {
      await this.putNew(key, bytes).catch(() => 'version')
    }
  }
  class NoRanges extends MemoryStore {
    override async get(key: string) {
      return super.get(key)
    }
  }
  class EmptyLists extends MemoryStore {
    override async *list() {}
  }
  class ReverseLists extends MemoryStore {
    override async *list(prefix: string) {
      const found: BlobInfo[] = []
      for await (const info of super.list(prefix)) found.unshift(info)
      yield* found
    }
  }

  test.each<[string, MemoryStore, string]>([
    ['old values', new OldValues(), 'overwrite'],
    ['no ranges', new NoRanges(), 'range'],
    ['empty lists', new EmptyLists(), 'list-after-write'],
    ['lists in no order', new ReverseLists(), 'list-after-write'],
  ])('a store with %s is found out, and backups need the promise', async (_name, store, promise) => {
    const { promises } = await probeStore(store)
    const found = promises.filter(({ outcome }) => outcome !== 'kept')
    expect(found.map((report) => [report.promise, report.outcome, report.required])).toContainEqual([
      promise,
      'broken',
      true,
    ])
  })

  test('no permission to write is an error, not a report; and the clean-up does not hide it', async () => {
    const { fake, store } = await onFake({})
    fake.fault = ({ method }) =>
      method === 'PUT' ? { kind: 'status', status: 403, code: 'AccessDenied' } : null
    await expect(probeStore(store)).rejects.toThrow(StoreAccessError)
  })

  test('a probe that is stopped cleans up', async () => {
    const { fake, store } = await onFake({})
    const stop = new AbortController()
    fake.fault = ({ method }) => {
      if (method === 'GET') stop.abort()
      return null
    }
    await expect(probeStore(store, { signal: stop.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(fake.objects().size).toBe(0)
  })
})
