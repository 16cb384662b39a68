import { existsSync, readlinkSync } from 'node:fs'
import {
  chmod,
  type FileHandle,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { BlobNotFoundError, MAX_BLOB_BYTES, StoreError } from '../../src/storage/blob-store.js'
import { listFiles } from '../../src/storage/local-list.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { bytes, text } from './conformance-subject.js'
import { outputOf } from '../helpers/run-now.js'

let root: string
let store: LocalStore
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'chroma-ops-'))
  store = new LocalStore(root)
})
afterEach(() => rm(root, { recursive: true, force: true }))

async function keysOf(prefix = ''): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix)) keys.push(key)
  return keys
}

describe('files of a local store', () => {
  test('a blob is a file of this name with these bytes, and nothing lies beside it', async () => {
    await store.put('a/b', bytes('1'))
    await store.putNew('a/c', bytes('2'))
    await store.putIfMatch('a/b', bytes('3'), (await store.get('a/b')).version)
    await store.delete('a/c')
    expect(await readdir(root, { recursive: true })).toEqual(['a', path.join('a', 'b')])
  })

  test('what dead runs and other programs leave is not listed', async () => {
    await store.put('a/b', bytes('1'))
    for (const name of ['b~4f0c', 'b~lock', 'b~lock~77', 'Ä', 'with space', '.DS_Store'])
      await writeFile(path.join(root, 'a', name), 'x')
    expect(await keysOf()).toEqual(['a/.DS_Store', 'a/b'])
  })

  test('a folder larger than what is held at once is listed whole, in order', async () => {
    const names = Array.from({ length: 50 }, (_, at) => `${(at * 37) % 50}`.padStart(2, '0'))
    for (const name of names) await store.put(name === '25' ? '25/inside' : name, bytes(''))
    const found: string[] = []
    for await (const { key } of listFiles({
      root,
      prefix: '',
      after: '09',
      signal: undefined,
      namesAtOnce: 3,
    }))
      found.push(key)
    expect(found).toEqual(
      names
        .sort()
        .slice(10)
        .map((name) => (name === '25' ? '25/inside' : name)),
    )
  })

  test('symbolic links to files and folders are followed', async () => {
    await store.put('real/a', bytes('value'))
    await symlink(path.join(root, 'real'), path.join(root, 'linked'))
    await symlink(path.join(root, 'real/a'), path.join(root, 'b'))
    expect(await keysOf()).toEqual(['b', 'linked/a', 'real/a'])
    expect(text((await store.get('linked/a')).bytes)).toBe('value')
  })

  test('a loop of links is damage, not absence', async () => {
    await symlink(path.join(root, 'loop'), path.join(root, 'loop'))
    for (const call of [
      () => store.get('loop'),
      () => store.stat('loop'),
      () => keysOf(),
      () => store.get('loop/a'),
    ]) {
      const error = await call().catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(StoreError)
      expect(error).not.toBeInstanceOf(BlobNotFoundError)
    }
  })

  test('a file larger than any blob is refused, not read', async () => {
    await store.put('a', bytes('1'))
    await truncate(path.join(root, 'a'), MAX_BLOB_BYTES + 1)
    await expect(store.get('a')).rejects.toThrow(`more than the ${MAX_BLOB_BYTES}`)
    const { bytes: part } = await store.get('a', { range: { offset: 0, length: 1 } })
    expect(text(part)).toBe('1')
  })

  test('a pipe in the place of a blob does not block', async () => {
    outputOf('mkfifo', [path.join(root, 'pipe')])
    await expect(store.get('pipe')).rejects.toThrow(BlobNotFoundError)
  })
})

describe('durability', () => {
  const watched = existsSync('/proc/self/fd') ? test : test.skip
  watched('content first, then the name; new folders in those above them (needs /proc)', async () => {
    const target = path.join(root, 'x/y/blob')
    const syncs = await syncsDuring(() => store.put('x/y/blob', bytes('value')), target)
    expect(syncs).toEqual([
      { of: root, visible: false },
      { of: path.join(root, 'x'), visible: false },
      { of: expect.stringContaining(`${target}~`), visible: false },
      { of: path.join(root, 'x/y'), visible: true },
    ])
    const deleting = await syncsDuring(() => store.delete('x/y/blob'), target)
    expect(deleting).toEqual([{ of: path.join(root, 'x/y'), visible: false }])
  })
})

/** What was made durable, in order, and whether `target` had its name by then. */
async function syncsDuring(work: () => Promise<unknown>, target: string) {
  const handle = await open(root, 'r')
  await handle.close()
  const prototype = Reflect.getPrototypeOf(handle)
  if (prototype === null) throw new Error('file handles have no prototype')
  const original: unknown = Reflect.get(prototype, 'sync')
  if (typeof original !== 'function') throw new Error('file handles have no sync')
  const syncs: { of: string; visible: boolean }[] = []
  Reflect.set(prototype, 'sync', function (this: FileHandle) {
    syncs.push({ of: readlinkSync(`/proc/self/fd/${this.fd}`), visible: existsSync(target) })
    const done: unknown = Reflect.apply(original, this, [])
    return done
  })
  try {
    await work()
  } finally {
    Reflect.set(prototype, 'sync', original)
  }
  return syncs
}

describe('the lock of putIfMatch', () => {
  test('of a run that died is broken after half a minute', async () => {
    const version = await store.putNew('lease', bytes('1'))
    const lock = path.join(root, 'lease~lock')
    await writeFile(lock, 'somebody')
    const longAgo = new Date(Date.now() - 60_000)
    await utimes(lock, longAgo, longAgo)
    await store.putIfMatch('lease', bytes('2'), version)
    expect(await readdir(root)).toEqual(['lease'])
  })

  test('of a living run is respected, and waiting for it can be stopped', async () => {
    const version = await store.putNew('lease', bytes('1'))
    await writeFile(path.join(root, 'lease~lock'), 'somebody')
    const stop = AbortSignal.timeout(200)
    await expect(store.putIfMatch('lease', bytes('2'), version, stop)).rejects.toMatchObject({
      code: 'ABORTED',
    })
    expect(text((await store.get('lease')).bytes)).toBe('1')
    expect((await readdir(root)).sort()).toEqual(['lease', 'lease~lock'])
  })
})

describe('failures', () => {
  test('a read-only file is replaced: rights are those of its folder', async () => {
    await store.put('a', bytes('1'))
    await chmod(path.join(root, 'a'), 0o400)
    await store.put('a', bytes('2'))
    expect(text((await store.get('a')).bytes)).toBe('2')
  })

  test('a write that fails leaves the earlier value and nothing beside it', async () => {
    await store.put('a', bytes('earlier'))
    await store.put('other/x', bytes(''))
    // A folder cannot be replaced by a file.
    await expect(store.put('other', bytes('x'))).rejects.toThrow(StoreError)
    await expect(store.put('a/b', bytes('x'))).rejects.toThrow(StoreError)
    expect(text((await store.get('a')).bytes)).toBe('earlier')
    expect((await readdir(root)).sort()).toEqual(['a', 'other'])
  })

  test('a folder that is moved away while it is used is not found', async () => {
    await store.put('a', bytes('1'))
    await rename(root, `${root}-moved`)
    await expect(store.get('a')).rejects.toThrow(BlobNotFoundError)
    expect(await keysOf()).toEqual([])
    await rename(`${root}-moved`, root)
  })
})
