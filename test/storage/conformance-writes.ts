import { randomBytes } from 'node:crypto'

import { describe, expect, test } from '@jest/globals'

import {
  BlobChangedError,
  BlobExistsError,
  MAX_BLOB_BYTES,
  StoreError,
} from '../../src/storage/blob-store.js'
import { bytes, type Subject } from './conformance-subject.js'

export function describeWrites(subject: Subject): void {
  describe('put', () => {
    test('what was put is what is got, byte by byte', async () => {
      const content = Buffer.concat([
        Buffer.from(Array.from({ length: 256 }, (_, at) => at)),
        randomBytes(70_000),
      ])
      await subject.store.put(`${subject.folder}/a`, content)
      expect(Buffer.from((await subject.store.get(`${subject.folder}/a`)).bytes).equals(content)).toBe(true)
    })

    test('replaces an earlier value, longer or shorter', async () => {
      for (const value of ['first', 'a longer second', '3rd', '']) {
        await subject.store.put(`${subject.folder}/a`, bytes(value))
        expect(await subject.read(`${subject.folder}/a`)).toBe(value)
      }
    })

    test('an empty blob is a blob', async () => {
      await subject.store.put(`${subject.folder}/empty`, bytes(''))
      expect((await subject.store.get(`${subject.folder}/empty`)).bytes.length).toBe(0)
      expect((await subject.store.stat(`${subject.folder}/empty`)).size).toBe(0)
      expect(await subject.keysOf(`${subject.folder}/`)).toEqual([`${subject.folder}/empty`])
    })

    test('takes the largest blob and refuses a larger one, leaving the earlier value', async () => {
      const largest = randomBytes(MAX_BLOB_BYTES)
      await subject.store.put(`${subject.folder}/large`, largest)
      await expect(
        subject.store.put(`${subject.folder}/large`, Buffer.alloc(MAX_BLOB_BYTES + 1)),
      ).rejects.toThrow(StoreError)
      expect(Buffer.from((await subject.store.get(`${subject.folder}/large`)).bytes).equals(largest)).toBe(
        true,
      )
    })

    test('later changes to the caller’s buffer do not reach the blob, nor those to what was got', async () => {
      const mine = bytes('original')
      await subject.store.put(`${subject.folder}/a`, mine)
      mine.fill(0)
      const got = await subject.store.get(`${subject.folder}/a`)
      got.bytes.fill(0)
      expect(await subject.read(`${subject.folder}/a`)).toBe('original')
    })

    test('a view into a larger buffer is stored without its surroundings', async () => {
      await subject.store.put(`${subject.folder}/a`, bytes('before-inside-after').subarray(7, 13))
      expect(await subject.read(`${subject.folder}/a`)).toBe('inside')
    })

    test('many at once do not disturb each other', async () => {
      const keys = Array.from({ length: 40 }, (_, at) => `${subject.folder}/many/${at}`)
      await Promise.all(keys.map((key) => subject.store.put(key, bytes(`value of ${key}`))))
      const found = await Promise.all(keys.map((key) => subject.read(key)))
      expect(found).toEqual(keys.map((key) => `value of ${key}`))
    })

    test('several writers of one key leave one whole value', async () => {
      const values = Array.from({ length: 8 }, (_, at) => Buffer.alloc(50_000, at))
      await Promise.all(values.map((value) => subject.store.put(`${subject.folder}/contested`, value)))
      const { bytes: found } = await subject.store.get(`${subject.folder}/contested`)
      expect(values.some((value) => value.equals(found))).toBe(true)
    })
  })

  describe('putNew', () => {
    test('stores what is not there', async () => {
      await subject.store.putNew(`${subject.folder}/a`, bytes('value'))
      expect(await subject.read(`${subject.folder}/a`)).toBe('value')
    })

    test('refuses what is there, and leaves it', async () => {
      await subject.store.put(`${subject.folder}/a`, bytes('earlier'))
      await expect(subject.store.putNew(`${subject.folder}/a`, bytes('later'))).rejects.toThrow(
        BlobExistsError,
      )
      expect(await subject.read(`${subject.folder}/a`)).toBe('earlier')
    })

    test('refuses even the same bytes', async () => {
      await subject.store.putNew(`${subject.folder}/a`, bytes('same'))
      await expect(subject.store.putNew(`${subject.folder}/a`, bytes('same'))).rejects.toThrow(
        BlobExistsError,
      )
    })

    test('of eight at once exactly one succeeds, and its value stays', async () => {
      const values = Array.from({ length: 8 }, (_, at) => `racer ${at}`)
      const settled = await Promise.allSettled(
        values.map((value) => subject.store.putNew(`${subject.folder}/race`, bytes(value))),
      )
      const winners = values.filter((_, at) => settled[at]?.status === 'fulfilled')
      expect(winners).toEqual([await subject.read(`${subject.folder}/race`)])
    })

    test('stores again what was deleted', async () => {
      await subject.store.putNew(`${subject.folder}/a`, bytes('first'))
      await subject.store.delete(`${subject.folder}/a`)
      await subject.store.putNew(`${subject.folder}/a`, bytes('second'))
      expect(await subject.read(`${subject.folder}/a`)).toBe('second')
    })
  })

  describe('putIfMatch', () => {
    test('replaces the value of the version that putNew, putIfMatch or get gave', async () => {
      const created = await subject.store.putNew(`${subject.folder}/a`, bytes('1'))
      const matched = await subject.store.putIfMatch(`${subject.folder}/a`, bytes('2'), created)
      await subject.store.putIfMatch(`${subject.folder}/a`, bytes('3'), matched)
      const { version } = await subject.store.get(`${subject.folder}/a`)
      await subject.store.putIfMatch(`${subject.folder}/a`, bytes('4'), version)
      expect(await subject.read(`${subject.folder}/a`)).toBe('4')
    })

    test('refuses an older version, and leaves the value', async () => {
      const stale = await subject.store.putNew(`${subject.folder}/a`, bytes('1'))
      await subject.store.putIfMatch(`${subject.folder}/a`, bytes('2'), stale)
      await expect(subject.store.putIfMatch(`${subject.folder}/a`, bytes('3'), stale)).rejects.toThrow(
        BlobChangedError,
      )
      expect(await subject.read(`${subject.folder}/a`)).toBe('2')
    })

    test('refuses what is no version, also that of a ranged read', async () => {
      await subject.store.put(`${subject.folder}/a`, bytes('1'))
      const { version } = await subject.store.get(`${subject.folder}/a`, { range: { offset: 0, length: 1 } })
      for (const wrong of [version, 'x', '"x"'])
        await expect(subject.store.putIfMatch(`${subject.folder}/a`, bytes('2'), wrong)).rejects.toThrow(
          BlobChangedError,
        )
      expect(await subject.read(`${subject.folder}/a`)).toBe('1')
    })

    test('refuses a key without a value, and creates nothing', async () => {
      const version = await subject.store.putNew(`${subject.folder}/a`, bytes('1'))
      await subject.store.delete(`${subject.folder}/a`)
      await expect(subject.store.putIfMatch(`${subject.folder}/a`, bytes('2'), version)).rejects.toThrow(
        BlobChangedError,
      )
      expect(await subject.keysOf(`${subject.folder}/`)).toEqual([])
    })

    test('of eight at once with one version exactly one succeeds', async () => {
      const version = await subject.store.putNew(`${subject.folder}/a`, bytes('start'))
      const values = Array.from({ length: 8 }, (_, at) => `racer ${at}`)
      const settled = await Promise.allSettled(
        values.map((value) => subject.store.putIfMatch(`${subject.folder}/a`, bytes(value), version)),
      )
      const winners = values.filter((_, at) => settled[at]?.status === 'fulfilled')
      expect(winners).toEqual([await subject.read(`${subject.folder}/a`)])
    })
  })
}
