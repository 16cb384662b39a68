import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import { AbortedError } from '../../src/core/errors.js'
import { BlobNotFoundError, InvalidKeyError } from '../../src/storage/blob-store.js'
import { probeStore } from '../../src/storage/probe-store.js'
import { describeReads } from './conformance-reads.js'
import { bytes, type StoreUnderTest, Subject } from './conformance-subject.js'
import { describeWrites } from './conformance-writes.js'

/** The contract of BlobStore, one test for each of its sentences. `setup` is called once; keys are never used twice. */
export function describeBlobStore(name: string, setup: () => Promise<StoreUnderTest>): void {
  describe(name, () => {
    const subject = new Subject()
    beforeAll(() => subject.open(setup))
    beforeEach(() => subject.nextTest())
    afterAll(() => subject.close())

    test('its address holds no credentials', () => {
      expect(subject.store.displayUrl).not.toMatch(/secret|@/)
    })

    describeWrites(subject)
    describeReads(subject)

    describe('delete', () => {
      test('removes the value and leaves the others', async () => {
        await subject.store.put(`${subject.folder}/a`, bytes('a'))
        await subject.store.put(`${subject.folder}/b`, bytes('b'))
        await subject.store.delete(`${subject.folder}/a`)
        await expect(subject.store.get(`${subject.folder}/a`)).rejects.toThrow(BlobNotFoundError)
        expect(await subject.keysOf(`${subject.folder}/`)).toEqual([`${subject.folder}/b`])
      })

      test('of what is not there succeeds', async () => {
        await subject.store.delete(`${subject.folder}/nothing`)
        await subject.store.delete(`${subject.folder}/nothing/deeper`)
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
        await expect(subject.store.put(key, bytes(''))).rejects.toThrow(InvalidKeyError)
        await expect(subject.store.putNew(key, bytes(''))).rejects.toThrow(InvalidKeyError)
        await expect(subject.store.putIfMatch(key, bytes(''), 'v')).rejects.toThrow(InvalidKeyError)
        await expect(subject.store.get(key)).rejects.toThrow(InvalidKeyError)
        await expect(subject.store.stat(key)).rejects.toThrow(InvalidKeyError)
        await expect(subject.store.delete(key)).rejects.toThrow(InvalidKeyError)
      })

      test('the longest segments and all allowed characters are taken', async () => {
        const keys = [
          `${subject.folder}/${'x'.repeat(200)}/${'y'.repeat(200)}`,
          `${subject.folder}/.aZ09._-..b...`,
        ]
        for (const key of keys) {
          await subject.store.put(key, bytes(key))
          expect(await subject.read(key)).toBe(key)
        }
        expect(await subject.keysOf(`${subject.folder}/`)).toEqual(keys.sort())
      })

      test('a prefix outside the store is refused', async () => {
        await expect(subject.keysOf('../')).rejects.toThrow(InvalidKeyError)
        await expect(subject.keysOf('/')).rejects.toThrow(InvalidKeyError)
      })
    })

    test('a signal that has fired stops every method before it does anything', async () => {
      const signal = AbortSignal.abort('stop')
      await subject.store.put(`${subject.folder}/a`, bytes('value'))
      const version = (await subject.store.get(`${subject.folder}/a`)).version
      await expect(subject.store.put(`${subject.folder}/a`, bytes('x'), signal)).rejects.toThrow(AbortedError)
      await expect(subject.store.putNew(`${subject.folder}/b`, bytes('x'), signal)).rejects.toThrow(
        AbortedError,
      )
      await expect(
        subject.store.putIfMatch(`${subject.folder}/a`, bytes('x'), version, signal),
      ).rejects.toThrow(AbortedError)
      await expect(subject.store.get(`${subject.folder}/a`, { signal })).rejects.toThrow(AbortedError)
      await expect(subject.store.stat(`${subject.folder}/a`, signal)).rejects.toThrow(AbortedError)
      await expect(
        subject.store.list(`${subject.folder}/`, signal)[Symbol.asyncIterator]().next(),
      ).rejects.toThrow(AbortedError)
      await expect(subject.store.delete(`${subject.folder}/a`, signal)).rejects.toThrow(AbortedError)
      expect(await subject.keysOf(`${subject.folder}/`)).toEqual([`${subject.folder}/a`])
      expect(await subject.read(`${subject.folder}/a`)).toBe('value')
    })

    test('storeTime is a clock', async () => {
      const first = await subject.store.storeTime()
      const second = await subject.store.storeTime()
      expect(second.getTime()).toBeGreaterThanOrEqual(first.getTime())
      expect(Math.abs(first.getTime() - Date.now())).toBeLessThan(60_000)
    })

    test('capabilities and the probe agree, keep every promise, and leave nothing behind', async () => {
      const report = await probeStore(subject.store)
      expect(report.promises.filter(({ outcome }) => outcome !== 'kept')).toEqual([])
      expect(report.leftBehind).toEqual([])
      expect(await subject.store.capabilities()).toEqual(report.capabilities)
      expect(report.capabilities).toEqual({ putNew: 'atomic', putIfMatch: true })
      expect(await subject.keysOf('probe/')).toEqual([])
    })
  })
}
