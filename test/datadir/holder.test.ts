import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { fileSystemOf, fileSystemType } from '../../src/datadir/file-system.js'
import { findHolder, holderText, requireNoHolder } from '../../src/datadir/holder.js'
import { builtModule } from '../helpers/built-cli.js'
import { startChroma } from '../helpers/chroma-server.js'
import { runNow } from '../helpers/run-now.js'

const SEGMENT = '0f7b7a4e-7a9c-4a54-8f7b-0d8e4a7f3c11'
const runsAsRoot = process.getuid?.() === 0
const canUnshare = runNow('unshare', ['-p', '-f', '--mount-proc', 'true']).status === 0

let folder: string
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-holder-'))
  await writeFile(path.join(folder, 'chroma.sqlite3'), 'x')
  await mkdir(path.join(folder, SEGMENT))
  await writeFile(path.join(folder, SEGMENT, 'header.bin'), 'x')
})

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  await rm(folder, { recursive: true })
})

/** A process that runs a shell script after which it says `ready`. */
async function shell(script: string, options: { uid?: number; cwd?: string } = {}): Promise<number> {
  const child = spawn('sh', ['-c', `${script}\necho ready; exec sleep 60`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  })
  children.push(child)
  await once(child.stdout, 'data')
  return child.pid ?? 0
}

describe('findHolder', () => {
  test('nobody holds a directory whose files nobody has open', async () => {
    if (!runsAsRoot) return
    expect(await findHolder(folder)).toEqual({ state: 'free' })
  })

  test('a process with the database open is named, with its command', async () => {
    const pid = await shell(`exec 7<"${folder}/chroma.sqlite3"`)
    const holder = await findHolder(folder)
    expect(holder).toMatchObject({ state: 'held', by: [{ pid }] })
    expect(holderText(holder)).toContain(`process ${pid} (sleep 60)`)
  })

  test('a process with only a file of an index open is found', async () => {
    const pid = await shell(`exec 7<"${folder}/${SEGMENT}/header.bin"`)
    expect(await findHolder(folder)).toMatchObject({ state: 'held', by: [{ pid }] })
  })

  test('a process is found through another name of the directory', async () => {
    await symlink(folder, `${folder}-link`)
    try {
      const pid = await shell(`exec 7<"${folder}/chroma.sqlite3"`)
      expect(await findHolder(`${folder}-link`)).toMatchObject({ state: 'held', by: [{ pid }] })
    } finally {
      await rm(`${folder}-link`)
    }
  })

  test('a process that holds a database which was deleted under it is found', async () => {
    const pid = await shell(`exec 7<"${folder}/chroma.sqlite3"; rm "${folder}/chroma.sqlite3"`)
    expect(await findHolder(folder)).toMatchObject({ state: 'held', by: [{ pid }] })
  })

  test('a process that waits in the directory, with a file of chroma-ops or of another directory, is no holder', async () => {
    if (!runsAsRoot) return
    await mkdir(path.join(folder, '.chroma-ops'))
    await writeFile(path.join(folder, '.chroma-ops', 'log'), '')
    await shell(`exec 7<"${folder}/.chroma-ops/log"; exec 8</etc/hostname`, { cwd: folder })
    expect(await findHolder(folder)).toEqual({ state: 'free' })
  })

  test('this process does not count', async () => {
    if (!runsAsRoot) return
    const handle = await open(path.join(folder, 'chroma.sqlite3'))
    expect(await findHolder(folder)).toEqual({ state: 'free' })
    await handle.close()
  })

  test('a server that has closed its files is known by its command line', async () => {
    const child = spawn(
      process.execPath,
      [
        '-e',
        'console.log(1); setInterval(() => {}, 1000)',
        'chroma',
        'run',
        '--path',
        `./${path.basename(folder)}`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], cwd: path.dirname(folder) },
    )
    children.push(child)
    await once(child.stdout, 'data')
    expect(await findHolder(folder)).toMatchObject({ state: 'held', by: [{ pid: child.pid }] })
    expect((await findHolder(path.join(folder, SEGMENT))).state).not.toBe('held')
  })

  test('a real server holds its directory until it is stopped', async () => {
    const server = await startChroma()
    expect(await findHolder(server.directory)).toMatchObject({ state: 'held', by: [{ pid: server.pid }] })
    await server.halt()
    expect((await findHolder(server.directory)).state).not.toBe('held')
    await server.stop()
  })

  test('a user who cannot look into the processes of others is told that the holder is unknown', async () => {
    if (!runsAsRoot) return
    const seen = await holderSeenBy(['setpriv', '--reuid=65534', '--clear-groups'])
    expect(seen).toMatchObject({ state: 'unknown', why: expect.stringContaining('processes of others') })
  })

  test('within a container the holder is unknown', async () => {
    if (!canUnshare) return
    const seen = await holderSeenBy(['unshare', '-p', '-f', '--mount-proc'])
    expect(seen).toMatchObject({ state: 'unknown', why: expect.stringContaining('container') })
  })

  /** What another user or container sees; the directory is open to all. */
  async function holderSeenBy(wrapper: readonly [string, ...string[]]): Promise<unknown> {
    runNow('chmod', ['755', folder])
    const [program, ...rest]: [string, ...string[]] = [
      ...wrapper,
      process.execPath,
      '--input-type=module',
      '-e',
      `import { findHolder } from ${JSON.stringify(await builtModule('datadir/holder'))}
       console.log(JSON.stringify(await findHolder(${JSON.stringify(folder)})))`,
    ]
    const { stdout, stderr } = runNow(program, rest)
    if (stdout === '') throw new Error(stderr)
    return JSON.parse(stdout)
  }
})

describe('requireNoHolder', () => {
  test('refuses while the directory is held, whatever the operator says', async () => {
    await shell(`exec 7<"${folder}/chroma.sqlite3"`)
    for (const serverStopped of [false, true]) {
      await expect(requireNoHolder(folder, { serverStopped })).rejects.toMatchObject({
        code: 'DIRECTORY_HELD',
        exitCode: 11,
      })
    }
  })

  test('accepts a directory that nobody holds', async () => {
    await requireNoHolder(folder, { serverStopped: !runsAsRoot })
  })
})

describe('the file system', () => {
  test('of a local directory has free space', async () => {
    const { freeBytes, totalBytes, shared } = await fileSystemOf(folder)
    expect(freeBytes).toBeGreaterThan(0)
    expect(totalBytes).toBeGreaterThan(freeBytes)
    expect(shared).toBe(false)
  })

  test('of a network is recognised by its number, signed or not', () => {
    expect(fileSystemType(0x6969)).toEqual({ type: 'nfs', shared: true })
    expect(fileSystemType(0xff534d42)).toEqual({ type: 'cifs', shared: true })
    expect(fileSystemType(0xff534d42 | 0)).toEqual({ type: 'cifs', shared: true })
    expect(fileSystemType(0xef53)).toEqual({ type: 'ext4', shared: false })
    expect(fileSystemType(0x1234567)).toEqual({ type: '0x1234567', shared: false })
  })
})
