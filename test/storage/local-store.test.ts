import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, readdir, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { BlobNotFoundError, MAX_BLOB_BYTES, StoreError } from '../../src/storage/blob-store.js'
import { listFiles } from '../../src/storage/local-list.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { bytes, text } from './conformance-subject.js'

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
    execFileSync('mkfifo', [path.join(root, 'pipe')])
    await expect(store.get('pipe')).rejects.toThrow(BlobNotFoundError)
  })
})

describe('the lock of putIfMatch', () => {
  test('of a run that died is broken after half a minute', async () => {
    const version = await store.put('lease', bytes('1'))
    const lock = path.join(root, 'lease~lock')
    await writeFile(lock, 'somebody')
    const longAgo = new Date(Date.now() - 60_000)
    await utimes(lock, longAgo, longAgo)
    await store.putIfMatch('lease', bytes('2'), version)
    expect(await readdir(root)).toEqual(['lease'])
  })

  test('of a living run is respected, and waiting for it can be stopped', async () => {
    const version = await store.put('lease', bytes('1'))
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

/** Runs a program against a store, with a wrapper that sets limits of the operating system; its result, as JSON. */
function inProcess(program: string, wrapper: readonly [string, ...string[]], folder: string): unknown {
  const source = `
    import { LocalStore } from './src/storage/local-store.ts'
    const store = new LocalStore(${JSON.stringify(folder)})
    const failure = (call) => call.then(() => null, ({ code, exitCode, message }) => ({ code, exitCode, message }))
    ${program}`
  const [command, ...args] = wrapper
  const node = [process.execPath, '--import', './test/helpers/run-typescript.js', '--input-type=module']
  const output = execFileSync(command, [...args, ...node, '--eval', source], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(output)
}

const FILL = `
  await store.put('old/a', new Uint8Array(1000).fill(1))
  const errors = []
  for (let at = 0; at < 12 && errors.length === 0; at++) {
    const error = await failure(store.put('new/' + at, new Uint8Array(300_000)))
    if (error) errors.push(error)
  }
  errors.push(await failure(store.put('old/a', new Uint8Array(4_000_000))))
  errors.push(await failure(store.putNew('new/x', new Uint8Array(4_000_000))))
  const { bytes } = await store.get('old/a')
  console.log(JSON.stringify({ errors, old: bytes.length === 1000 && bytes.every((byte) => byte === 1) }))`

function works(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const canMount = works('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=64k none /mnt'])
const canLimit = works('prlimit', ['--fsize=1000000', 'true'])
const canDropRights =
  process.getuid?.() === 0 && works('setpriv', ['--reuid=65534', '--clear-groups', 'true'])

describe('a full disk', () => {
  const title = 'is told with its own code; what was there stays; nothing half-written remains'
  const onTinyDisk = canMount ? test : test.skip
  onTinyDisk(`${title} (a tmpfs of 2 MB; needs unshare and mount)`, async () => {
    const script = `mount -t tmpfs -o size=2m none ${root} && exec "$@"`
    const list = `
      const { readdirSync } = await import('node:fs')
      const left = readdirSync(${JSON.stringify(root)}, { recursive: true }).filter((name) => name.includes('~'))
      if (left.length > 0) throw new Error('left behind: ' + left)`
    const result = inProcess(FILL + list, ['unshare', '-rm', 'sh', '-c', script, 'sh'], root)
    const full = { code: 'STORE_FULL', exitCode: 1, message: expect.stringContaining('ENOSPC') }
    expect(result).toEqual({ errors: [full, full, full], old: true })
  })

  const underLimit = canLimit ? test : test.skip
  underLimit('so is the limit of a file’s size (needs prlimit)', async () => {
    const result = inProcess(FILL, ['prlimit', '--fsize=1000000'], root)
    const full = { code: 'STORE_FULL', exitCode: 1, message: expect.stringContaining('EFBIG') }
    expect(result).toEqual({ errors: [full, full], old: true })
    expect((await readdir(root, { recursive: true })).filter((name) => name.includes('~'))).toEqual([])
  })
})

describe('a folder that may not be written: 14', () => {
  const isRoot = process.getuid?.() === 0
  const asOurselves = isRoot ? test.skip : test
  asOurselves('as this user (root may write everywhere)', async () => {
    await chmod(root, 0o500)
    await expect(store.put('a', bytes('x'))).rejects.toMatchObject({ code: 'STORE_ACCESS', exitCode: 14 })
    await chmod(root, 0o700)
  })

  const asNobody = canDropRights ? test : test.skip
  asNobody('as another user (needs root and setpriv)', async () => {
    await chmod(root, 0o755)
    const program = "console.log(JSON.stringify(await failure(store.put('b', new Uint8Array(1)))))"
    expect(
      inProcess(program, ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'], root),
    ).toMatchObject({ code: 'STORE_ACCESS', exitCode: 14 })
  })
})
