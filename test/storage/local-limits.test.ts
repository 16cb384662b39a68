import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { LocalStore } from '../../src/storage/local-store.js'
import { bytes } from './conformance-subject.js'
import { builtModule } from '../helpers/built-cli.js'
import { outputOf, runNow } from '../helpers/run-now.js'

let root: string
let store: LocalStore
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'chroma-ops-'))
  store = new LocalStore(root)
})
afterEach(() => rm(root, { recursive: true, force: true }))

/** Runs a program against a store, with a wrapper that sets limits of the operating system; its result, as JSON. */
async function inProcess(
  program: string,
  wrapper: readonly [string, ...string[]],
  folder: string,
): Promise<unknown> {
  const source = `
    import { LocalStore } from ${JSON.stringify(await builtModule('storage/local-store'))}
    const store = new LocalStore(${JSON.stringify(folder)})
    const failure = (call) => call.then(() => null, ({ code, exitCode, message }) => ({ code, exitCode, message }))
    ${program}`
  const [command, ...args] = wrapper
  const node = [process.execPath, '--input-type=module']
  const output = outputOf(command, [...args, ...node, '--eval', source])
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
  return runNow(command, args).status === 0
}

const canMount = works('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=64k none /mnt'])
const canLimit = works('prlimit', ['--fsize=1000000', 'true'])
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] as const
const readSources = "require('node:fs').readFileSync('package.json')"
const canDropRights =
  process.getuid?.() === 0 && works('setpriv', [...NOBODY.slice(1), process.execPath, '-e', readSources])

describe('a full disk', () => {
  const title = 'is told with its own code; what was there stays; nothing half-written remains'
  const onTinyDisk = canMount ? test : test.skip
  onTinyDisk(`${title} (a tmpfs of 2 MB; needs unshare and mount)`, async () => {
    const script = `mount -t tmpfs -o size=2m none ${root} && exec "$@"`
    const list = `
      const { readdirSync } = await import('node:fs')
      const left = readdirSync(${JSON.stringify(root)}, { recursive: true }).filter((name) => name.includes('~'))
      if (left.length > 0) throw new Error('left behind: ' + left)`
    const result = await inProcess(FILL + list, ['unshare', '-rm', 'sh', '-c', script, 'sh'], root)
    const full = { code: 'STORE_FULL', exitCode: 1, message: expect.stringContaining('ENOSPC') }
    expect(result).toEqual({ errors: [full, full, full], old: true })
  })

  const underLimit = canLimit ? test : test.skip
  underLimit('so is the limit of a file’s size (needs prlimit)', async () => {
    const result = await inProcess(FILL, ['prlimit', '--fsize=1000000'], root)
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
  asNobody('as another user (needs root, setpriv and a readable checkout)', async () => {
    await chmod(root, 0o755)
    const program = "console.log(JSON.stringify(await failure(store.put('b', new Uint8Array(1)))))"
    expect(await inProcess(program, NOBODY, root)).toMatchObject({ code: 'STORE_ACCESS', exitCode: 14 })
  })
})
