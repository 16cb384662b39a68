import { randomBytes } from 'node:crypto'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import { AbortedError } from '../../src/core/errors.js'
import {
  BlobChangedError,
  BlobExistsError,
  BlobNotFoundError,
  type BlobStore,
  InvalidKeyError,
  MAX_BLOB_BYTES,
  StoreError,
} from '../../src/storage/blob-store.js'
import { probeStore } from '../../src/storage/probe-store.js'

export interface StoreUnderTest {
  readonly store: BlobStore
  dispose(): Promise<void>
}

/** The contract of BlobStore, one test for each of its sentences. `setup` is called once; keys are never used twice. */
export function describeBlobStore(name: string, setup: () => Promise<StoreUnderTest>): void {
  describe(name, () => {
    let subject: StoreUnderTest
    let store: BlobStore
    let folder: string
    let tests = 0

    beforeAll(async () => {
      subject = await setup()
      store = subject.store
    })
    beforeEach(() => {
      folder = `conformance/${Date.now().toString(36)}-${tests++}`
    })
    afterAll(async () => {
      await store.close()
      await subject.dispose()
    })

    async function keysOf(prefix: string, after?: string): Promise<string[]> {
      const keys: string[] = []
      for await (const { key } of store.list(prefix, undefined, after)) keys.push(key)
      return keys
    }
    async function read(key: string): Promise<string> {
      return text((await store.get(key)).bytes)
    }

    test('its address holds no credentials', () => {
      expect(store.displayUrl).not.toMatch(/secret|@/)
    })

    describe('put', () => {
      test('what was put is what is got, byte by byte', async () => {
        const content = Buffer.concat([
          Buffer.from(Array.from({ length: 256 }, (_, at) => at)),
          randomBytes(70_000),
        ])
        await store.put(`${folder}/a`, content)
        expect(Buffer.from((await store.get(`${folder}/a`)).bytes).equals(content)).toBe(true)
      })

      test('replaces an earlier value, longer or shorter', async () => {
        for (const value of ['first', 'a longer second', '3rd', '']) {
          await store.put(`${folder}/a`, bytes(value))
          expect(await read(`${folder}/a`)).toBe(value)
        }
      })

      test('an empty blob is a blob', async () => {
        await store.put(`${folder}/empty`, bytes(''))
        expect((await store.get(`${folder}/empty`)).bytes.length).toBe(0)
        expect((await store.stat(`${folder}/empty`)).size).toBe(0)
        expect(await keysOf(`${folder}/`)).toEqual([`${folder}/empty`])
      })

      test('takes the largest blob and refuses a larger one, leaving the earlier value', async () => {
        const largest = randomBytes(MAX_BLOB_BYTES)
        await store.put(`${folder}/large`, largest)
        await expect(store.put(`${folder}/large`, Buffer.alloc(MAX_BLOB_BYTES + 1))).rejects.toThrow(
          StoreError,
        )
        expect(Buffer.from((await store.get(`${folder}/large`)).bytes).equals(largest)).toBe(true)
      })

      test('later changes to the caller’s buffer do not reach the blob, nor those to what was got', async () => {
        const mine = bytes('original')
        await store.put(`${folder}/a`, mine)
        mine.fill(0)
        const got = await store.get(`${folder}/a`)
        got.bytes.fill(0)
        expect(await read(`${folder}/a`)).toBe('original')
      })

      test('a view into a larger buffer is stored without its surroundings', async () => {
        await store.put(`${folder}/a`, bytes('before-inside-after').subarray(7, 13))
        expect(await read(`${folder}/a`)).toBe('inside')
      })

      test('many at once do not disturb each other', async () => {
        const keys = Array.from({ length: 40 }, (_, at) => `${folder}/many/${at}`)
        await Promise.all(keys.map((key) => store.put(key, bytes(`value of ${key}`))))
        const found = await Promise.all(keys.map(read))
        expect(found).toEqual(keys.map((key) => `value of ${key}`))
      })

      test('several writers of one key leave one whole value', async () => {
        const values = Array.from({ length: 8 }, (_, at) => Buffer.alloc(50_000, at))
        await Promise.all(values.map((value) => store.put(`${folder}/contested`, value)))
        const { bytes: found } = await store.get(`${folder}/contested`)
        expect(values.some((value) => value.equals(found))).toBe(true)
      })
    })

    describe('putNew', () => {
      test('stores what is not there', async () => {
        await store.putNew(`${folder}/a`, bytes('value'))
        expect(await read(`${folder}/a`)).toBe('value')
      })

      test('refuses what is there, and leaves it', async () => {
        await store.put(`${folder}/a`, bytes('earlier'))
        await expect(store.putNew(`${folder}/a`, bytes('later'))).rejects.toThrow(BlobExistsError)
        expect(await read(`${folder}/a`)).toBe('earlier')
      })

      test('refuses even the same bytes', async () => {
        await store.putNew(`${folder}/a`, bytes('same'))
        await expect(store.putNew(`${folder}/a`, bytes('same'))).rejects.toThrow(BlobExistsError)
      })

      test('of eight at once exactly one succeeds, and its value stays', async () => {
        const values = Array.from({ length: 8 }, (_, at) => `racer ${at}`)
        const settled = await Promise.allSettled(
          values.map((value) => store.putNew(`${folder}/race`, bytes(value))),
        )
        const winners = values.filter((_, at) => settled[at]?.status === 'fulfilled')
        expect(winners).toEqual([await read(`${folder}/race`)])
      })

      test('stores again what was deleted', async () => {
        await store.putNew(`${folder}/a`, bytes('first'))
        await store.delete(`${folder}/a`)
        await store.putNew(`${folder}/a`, bytes('second'))
        expect(await read(`${folder}/a`)).toBe('second')
      })
    })

    describe('putIfMatch', () => {
      test('replaces the value of the version that put, putNew, putIfMatch or get gave', async () => {
        const created = await store.putNew(`${folder}/a`, bytes('1'))
        const matched = await store.putIfMatch(`${folder}/a`, bytes('2'), created)
        await store.putIfMatch(`${folder}/a`, bytes('3'), matched)
        const { version } = await store.get(`${folder}/a`)
        await store.putIfMatch(`${folder}/a`, bytes('4'), version)
        expect(await read(`${folder}/a`)).toBe('4')
        const put = await store.put(`${folder}/a`, bytes('5'))
        await store.putIfMatch(`${folder}/a`, bytes('6'), put)
        expect(await read(`${folder}/a`)).toBe('6')
      })

      test('refuses an older version, and leaves the value', async () => {
        const stale = await store.put(`${folder}/a`, bytes('1'))
        await store.put(`${folder}/a`, bytes('2'))
        await expect(store.putIfMatch(`${folder}/a`, bytes('3'), stale)).rejects.toThrow(BlobChangedError)
        expect(await read(`${folder}/a`)).toBe('2')
      })

      test('refuses a key without a value, and creates nothing', async () => {
        const version = await store.put(`${folder}/a`, bytes('1'))
        await store.delete(`${folder}/a`)
        await expect(store.putIfMatch(`${folder}/a`, bytes('2'), version)).rejects.toThrow(BlobChangedError)
        expect(await keysOf(`${folder}/`)).toEqual([])
      })

      test('of eight at once with one version exactly one succeeds', async () => {
        const version = await store.put(`${folder}/a`, bytes('start'))
        const values = Array.from({ length: 8 }, (_, at) => `racer ${at}`)
        const settled = await Promise.allSettled(
          values.map((value) => store.putIfMatch(`${folder}/a`, bytes(value), version)),
        )
        const winners = values.filter((_, at) => settled[at]?.status === 'fulfilled')
        expect(winners).toEqual([await read(`${folder}/a`)])
      })
    })

    describe('get', () => {
      test('rejects for what is not there', async () => {
        await expect(store.get(`${folder}/nothing`)).rejects.toThrow(BlobNotFoundError)
        await store.put(`${folder}/deep/a`, bytes('value'))
        await expect(store.get(`${folder}/deep`)).rejects.toThrow(BlobNotFoundError)
        await expect(store.get(`${folder}/deep/a/b`)).rejects.toThrow(BlobNotFoundError)
      })

      test('of a range gives its bytes, fewer at the end, none behind it', async () => {
        await store.put(`${folder}/a`, bytes('0123456789'))
        const range = async (offset: number, length: number) =>
          text((await store.get(`${folder}/a`, { range: { offset, length } })).bytes)
        expect(await range(0, 1)).toBe('0')
        expect(await range(3, 4)).toBe('3456')
        expect(await range(8, 100)).toBe('89')
        expect(await range(0, 10)).toBe('0123456789')
        expect(await range(10, 5)).toBe('')
        expect(await range(100, 5)).toBe('')
        expect(await range(2, 0)).toBe('')
      })

      test('of a range rejects for what is not there', async () => {
        const range = { offset: 0, length: 0 }
        await expect(store.get(`${folder}/nothing`, { range })).rejects.toThrow(BlobNotFoundError)
        await expect(store.get(`${folder}/nothing`, { range: { offset: 5, length: 5 } })).rejects.toThrow(
          BlobNotFoundError,
        )
      })
    })

    describe('stat', () => {
      test('tells key, size and time', async () => {
        await store.put(`${folder}/a`, bytes('twelve bytes'))
        const { key, size, modified } = await store.stat(`${folder}/a`)
        expect({ key, size }).toEqual({ key: `${folder}/a`, size: 12 })
        const now = await store.storeTime()
        expect(Math.abs(modified.getTime() - now.getTime())).toBeLessThan(60_000)
      })

      test('rejects for what is not there', async () => {
        await expect(store.stat(`${folder}/nothing`)).rejects.toThrow(BlobNotFoundError)
      })
    })

    describe('list', () => {
      const names = [
        'a',
        'a-b',
        'a.b',
        'a0',
        'B',
        'b/c',
        'b/c.d/e',
        'b/c-d/e',
        'b/d',
        'b-/x',
        'b./x',
        'c_',
        'c',
      ]

      test('gives every key with the prefix, ascending by UTF-8, and no other', async () => {
        for (const name of names) await store.put(`${folder}/${name}`, bytes(name))
        await store.put(`${folder}x/other`, bytes(''))
        const expected = names.map((name) => `${folder}/${name}`).sort()
        expect(await keysOf(`${folder}/`)).toEqual(expected)
        expect(await keysOf(`${folder}/b`)).toEqual(expected.filter((key) => key.startsWith(`${folder}/b`)))
        expect(await keysOf(`${folder}/b/c`)).toEqual(
          expected.filter((key) => key.startsWith(`${folder}/b/c`)),
        )
        expect(await keysOf(`${folder}/b/`)).toEqual(expected.filter((key) => key.startsWith(`${folder}/b/`)))
        expect(await keysOf(`${folder}/b/d`)).toEqual([`${folder}/b/d`])
        for (const after of [...expected, `${folder}/b/`, `${folder}/b/zzz`, `${folder}/`])
          expect(await keysOf(`${folder}/`, after)).toEqual(expected.filter((key) => key > after))
      })

      test('tells size and time of each', async () => {
        await store.put(`${folder}/a`, bytes('twelve bytes'))
        for await (const info of store.list(`${folder}/`)) {
          expect(info.size).toBe(12)
          expect(Math.abs(info.modified.getTime() - (await store.storeTime()).getTime())).toBeLessThan(60_000)
        }
      })

      test('an absent prefix is empty', async () => {
        expect(await keysOf(`${folder}/nothing/`)).toEqual([])
        expect(await keysOf(`${folder}/nothing`)).toEqual([])
      })

      test('may be left early', async () => {
        for (const name of ['a', 'b', 'c']) await store.put(`${folder}/${name}`, bytes(name))
        for await (const { key } of store.list(`${folder}/`)) {
          expect(key).toBe(`${folder}/a`)
          break
        }
        expect(await keysOf(`${folder}/`)).toHaveLength(3)
      })
    })

    describe('delete', () => {
      test('removes the value and leaves the others', async () => {
        await store.put(`${folder}/a`, bytes('a'))
        await store.put(`${folder}/b`, bytes('b'))
        await store.delete(`${folder}/a`)
        await expect(store.get(`${folder}/a`)).rejects.toThrow(BlobNotFoundError)
        expect(await keysOf(`${folder}/`)).toEqual([`${folder}/b`])
      })

      test('of what is not there succeeds', async () => {
        await store.delete(`${folder}/nothing`)
        await store.delete(`${folder}/nothing/deeper`)
      })
    })

    describe('keys', () => {
      const bad = [
        '',
        '/',
        '/a',
        'a/',
        'a//b',
        '.',
        '..',
        '../a',
        'a/../b',
        'a/./b',
        'a b',
        'ä',
        'a\\b',
        'a\0b',
        'a~b',
      ]

      test.each([...bad, 'x'.repeat(201)])('%j is refused by every method', async (key) => {
        await expect(store.put(key, bytes(''))).rejects.toThrow(InvalidKeyError)
        await expect(store.putNew(key, bytes(''))).rejects.toThrow(InvalidKeyError)
        await expect(store.putIfMatch(key, bytes(''), 'v')).rejects.toThrow(InvalidKeyError)
        await expect(store.get(key)).rejects.toThrow(InvalidKeyError)
        await expect(store.stat(key)).rejects.toThrow(InvalidKeyError)
        await expect(store.delete(key)).rejects.toThrow(InvalidKeyError)
      })

      test('the longest segments and all allowed characters are taken', async () => {
        const keys = [`${folder}/${'x'.repeat(200)}/${'y'.repeat(200)}`, `${folder}/.aZ09._-..b...`]
        for (const key of keys) {
          await store.put(key, bytes(key))
          expect(await read(key)).toBe(key)
        }
        expect(await keysOf(`${folder}/`)).toEqual(keys.sort())
      })

      test('a prefix outside the store is refused', async () => {
        await expect(keysOf('../')).rejects.toThrow(InvalidKeyError)
        await expect(keysOf('/')).rejects.toThrow(InvalidKeyError)
      })
    })

    test('a signal that has fired stops every method before it does anything', async () => {
      const signal = AbortSignal.abort('stop')
      await store.put(`${folder}/a`, bytes('value'))
      const version = (await store.get(`${folder}/a`)).version
      await expect(store.put(`${folder}/a`, bytes('x'), signal)).rejects.toThrow(AbortedError)
      await expect(store.putNew(`${folder}/b`, bytes('x'), signal)).rejects.toThrow(AbortedError)
      await expect(store.putIfMatch(`${folder}/a`, bytes('x'), version, signal)).rejects.toThrow(AbortedError)
      await expect(store.get(`${folder}/a`, { signal })).rejects.toThrow(AbortedError)
      await expect(store.stat(`${folder}/a`, signal)).rejects.toThrow(AbortedError)
      await expect(store.list(`${folder}/`, signal)[Symbol.asyncIterator]().next()).rejects.toThrow(
        AbortedError,
      )
      await expect(store.delete(`${folder}/a`, signal)).rejects.toThrow(AbortedError)
      expect(await keysOf(`${folder}/`)).toEqual([`${folder}/a`])
      expect(await read(`${folder}/a`)).toBe('value')
    })

    test('storeTime is a clock', async () => {
      const first = await store.storeTime()
      const second = await store.storeTime()
      expect(second.getTime()).toBeGreaterThanOrEqual(first.getTime())
      expect(Math.abs(first.getTime() - Date.now())).toBeLessThan(60_000)
    })

    test('capabilities and the probe agree, keep every promise, and leave nothing behind', async () => {
      const report = await probeStore(store)
      expect(report.promises.filter(({ outcome }) => outcome !== 'kept')).toEqual([])
      expect(report.leftBehind).toEqual([])
      expect(await store.capabilities()).toEqual(report.capabilities)
      expect(report.capabilities).toEqual({ putNew: 'atomic', putIfMatch: true })
      expect(await keysOf('probe/')).toEqual([])
    })
  })
}

export function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

export function text(value: Uint8Array): string {
  return new TextDecoder().decode(value)
}
