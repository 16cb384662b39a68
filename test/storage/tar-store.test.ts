import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { AbortedError } from '../../src/core/errors.js'
import { BlobNotFoundError, StoreUnsupportedError } from '../../src/storage/blob-store.js'
import { openStore } from '../../src/storage/open-store.js'
import { TarStore } from '../../src/storage/tar-store.js'
import { tarOf } from '../helpers/archives.js'
import { text } from './conformance-subject.js'

let folder: string
let file: string
let store: TarStore

const long = `objects/${'x'.repeat(90)}/${'y'.repeat(120)}`

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-tar-'))
  file = path.join(folder, 'some.tar')
  const files = [
    { name: 'b/c', text: '0123456789' },
    { name: 'a', text: '' },
    { name: './b-d', text: 'x'.repeat(512) },
    { name: 'folder/', type: 'directory' as const },
    { name: long, text: 'a name that needs a pax header' },
  ]
  await writeFile(file, await tarOf(files))
  store = await TarStore.open(file)
})

afterAll(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

test('gives what is in the archive, whole and in part', async () => {
  expect(text((await store.get('b/c')).bytes)).toBe('0123456789')
  expect(text((await store.get('b-d')).bytes)).toBe('x'.repeat(512))
  expect(text((await store.get('a')).bytes)).toBe('')
  expect(text((await store.get(long)).bytes)).toBe('a name that needs a pax header')
  const range = async (offset: number, length: number) =>
    text((await store.get('b/c', { range: { offset, length } })).bytes)
  expect(await range(3, 4)).toBe('3456')
  expect(await range(8, 100)).toBe('89')
  expect(await range(10, 5)).toBe('')
  expect(await store.stat('b/c')).toMatchObject({ key: 'b/c', size: 10 })
  await expect(store.get('b')).rejects.toThrow(BlobNotFoundError)
  await expect(store.stat('nothing')).rejects.toThrow(BlobNotFoundError)
  await expect(store.get('a', { signal: AbortSignal.abort() })).rejects.toThrow(AbortedError)
})

test('lists keys in order', async () => {
  const keys = async (prefix: string, after?: string) => {
    const found: string[] = []
    for await (const { key } of store.list(prefix, undefined, after)) found.push(key)
    return found
  }
  expect(await keys('')).toEqual(['a', 'b-d', 'b/c', long])
  expect(await keys('b/')).toEqual(['b/c'])
  expect(await keys('', 'b-d')).toEqual(['b/c', long])
  expect(await keys('nothing/')).toEqual([])
})

test('an archive that is cut off is not opened', async () => {
  const whole = await readFile(file)
  const cut = path.join(folder, 'cut.tar')
  for (const length of [0, 100, 512, 700, 1024, whole.length - 1024]) {
    await writeFile(cut, whole.subarray(0, length))
    await expect(TarStore.open(cut)).rejects.toMatchObject({ exitCode: 13 })
  }
})

test('takes nothing', async () => {
  expect(await store.capabilities()).toEqual({ putNew: 'none', putIfMatch: false })
  for (const write of [
    () => store.put(),
    () => store.putNew(),
    () => store.putIfMatch(),
    () => store.delete(),
  ])
    await expect(write()).rejects.toThrow(StoreUnsupportedError)
})

test('is what openStore opens for a file, and a folder is a folder', async () => {
  const opened = await openStore(file)
  expect(text((await opened.get('b/c')).bytes)).toBe('0123456789')
  await opened.close()
  await writeFile(path.join(folder, 'encrypted'), 'age-encryption.org/v1\n')
  await expect(openStore(path.join(folder, 'encrypted'))).rejects.toThrow('age recipients')
})
