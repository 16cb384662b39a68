import { describe, expect, test } from '@jest/globals'

import { BlobNotFoundError } from '../../src/storage/blob-store.js'
import { bytes, type Subject, text } from './conformance-subject.js'

export function describeReads(subject: Subject): void {
  describe('get', () => {
    test('rejects for what is not there', async () => {
      await expect(subject.store.get(`${subject.folder}/nothing`)).rejects.toThrow(BlobNotFoundError)
      await subject.store.put(`${subject.folder}/deep/a`, bytes('value'))
      await expect(subject.store.get(`${subject.folder}/deep`)).rejects.toThrow(BlobNotFoundError)
      await expect(subject.store.get(`${subject.folder}/deep/a/b`)).rejects.toThrow(BlobNotFoundError)
    })

    test('of a range gives its bytes, fewer at the end, none behind it', async () => {
      await subject.store.put(`${subject.folder}/a`, bytes('0123456789'))
      const range = async (offset: number, length: number) =>
        text((await subject.store.get(`${subject.folder}/a`, { range: { offset, length } })).bytes)
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
      await expect(subject.store.get(`${subject.folder}/nothing`, { range })).rejects.toThrow(
        BlobNotFoundError,
      )
      await expect(
        subject.store.get(`${subject.folder}/nothing`, { range: { offset: 5, length: 5 } }),
      ).rejects.toThrow(BlobNotFoundError)
    })
  })

  describe('stat', () => {
    test('tells key, size and time', async () => {
      await subject.store.put(`${subject.folder}/a`, bytes('twelve bytes'))
      const { key, size, modified } = await subject.store.stat(`${subject.folder}/a`)
      expect({ key, size }).toEqual({ key: `${subject.folder}/a`, size: 12 })
      const now = await subject.store.storeTime()
      expect(Math.abs(modified.getTime() - now.getTime())).toBeLessThan(60_000)
    })

    test('rejects for what is not there', async () => {
      await expect(subject.store.stat(`${subject.folder}/nothing`)).rejects.toThrow(BlobNotFoundError)
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
      for (const name of names) await subject.store.put(`${subject.folder}/${name}`, bytes(name))
      await subject.store.put(`${subject.folder}x/other`, bytes(''))
      const expected = names.map((name) => `${subject.folder}/${name}`).sort()
      expect(await subject.keysOf(`${subject.folder}/`)).toEqual(expected)
      expect(await subject.keysOf(`${subject.folder}/b`)).toEqual(
        expected.filter((key) => key.startsWith(`${subject.folder}/b`)),
      )
      expect(await subject.keysOf(`${subject.folder}/b/c`)).toEqual(
        expected.filter((key) => key.startsWith(`${subject.folder}/b/c`)),
      )
      expect(await subject.keysOf(`${subject.folder}/b/`)).toEqual(
        expected.filter((key) => key.startsWith(`${subject.folder}/b/`)),
      )
      expect(await subject.keysOf(`${subject.folder}/b/d`)).toEqual([`${subject.folder}/b/d`])
      for (const after of [
        ...expected,
        `${subject.folder}/b/`,
        `${subject.folder}/b/zzz`,
        `${subject.folder}/`,
      ])
        expect(await subject.keysOf(`${subject.folder}/`, after)).toEqual(
          expected.filter((key) => key > after),
        )
    })

    test('tells size and time of each', async () => {
      await subject.store.put(`${subject.folder}/a`, bytes('twelve bytes'))
      for await (const info of subject.store.list(`${subject.folder}/`)) {
        expect(info.size).toBe(12)
        expect(Math.abs(info.modified.getTime() - (await subject.store.storeTime()).getTime())).toBeLessThan(
          60_000,
        )
      }
    })

    test('an absent prefix is empty', async () => {
      expect(await subject.keysOf(`${subject.folder}/nothing/`)).toEqual([])
      expect(await subject.keysOf(`${subject.folder}/nothing`)).toEqual([])
    })

    test('may be left early', async () => {
      for (const name of ['a', 'b', 'c']) await subject.store.put(`${subject.folder}/${name}`, bytes(name))
      for await (const { key } of subject.store.list(`${subject.folder}/`)) {
        expect(key).toBe(`${subject.folder}/a`)
        break
      }
      expect(await subject.keysOf(`${subject.folder}/`)).toHaveLength(3)
    })
  })
}
