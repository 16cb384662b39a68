import { describe, expect, test } from '@jest/globals'

import { AbortedError } from '../../src/core/errors.js'
import { ByteRate } from '../../src/storage/byte-rate.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { MeteredStore, type StoreTraffic } from '../../src/storage/metered-store.js'
import { openStore } from '../../src/storage/open-store.js'
import { bytes } from './conformance-subject.js'

describe('MeteredStore', () => {
  test('counts what is moved in each direction', async () => {
    const told: StoreTraffic[] = []
    const store = await openStore('memory://metered', { onTraffic: (traffic) => told.push(traffic) })
    await store.put('a', bytes('12345'))
    const version = await store.putNew('b', bytes('123'))
    await store.putIfMatch('b', bytes('1'), version)
    await store.get('a')
    await store.get('a', { range: { offset: 0, length: 2 } })
    await store.stat('a')
    expect(told).toEqual([
      { uploadedBytes: 5, downloadedBytes: 0 },
      { uploadedBytes: 8, downloadedBytes: 0 },
      { uploadedBytes: 9, downloadedBytes: 0 },
      { uploadedBytes: 9, downloadedBytes: 5 },
      { uploadedBytes: 9, downloadedBytes: 7 },
    ])
  })

  test('parallel uploads share one rate, and so do downloads', async () => {
    const upload = new ByteRate(1_000_000)
    const download = new ByteRate(1_000_000)
    const store = new MeteredStore(new MemoryStore(), { upload, download })
    const started = performance.now()
    await Promise.all(Array.from({ length: 6 }, (_, at) => store.put(`k${at}`, Buffer.alloc(50_000))))
    // The last one begins when the other five are paid.
    expect(performance.now() - started).toBeGreaterThan(240)
    const reading = performance.now()
    for (let at = 0; at < 6; at++) await store.get(`k${at}`)
    expect(performance.now() - reading).toBeGreaterThan(240)
  })

  test('a signal ends a wait for the rate, and nothing is stored', async () => {
    const inner = new MemoryStore()
    const store = new MeteredStore(inner, { upload: new ByteRate(1), download: new ByteRate(1) })
    await store.put('a', bytes('first'))
    await store.get('a')
    const signal = AbortSignal.timeout(20)
    await expect(store.put('b', bytes('second'), signal)).rejects.toThrow(AbortedError)
    await expect(store.get('a', { signal: AbortSignal.timeout(20) })).rejects.toThrow(AbortedError)
    await expect(inner.get('b')).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
  })
})
