import { spawn, type ChildProcess } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { builtCli } from '../helpers/built-cli.js'
import { runNow } from '../helpers/run-now.js'

let folder: string
let cli: string
/** Accepts connections and never answers. */
let silence: Server
let silentUrl: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-process-'))
  await chmod(folder, 0o755)
  cli = await builtCli()
  silence = createServer((socket) => socket.on('error', () => {}))
  await new Promise<void>((resolve) => silence.listen(0, '127.0.0.1', resolve))
  const address = silence.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  silentUrl = `http://127.0.0.1:${address.port}`
})

afterAll(async () => {
  silence.close()
  await rm(folder, { recursive: true })
})

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly ms: number
}

interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

function start(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Started {
  const child = spawn(process.execPath, [cli, ...args], {
    env,
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (piece: Buffer) => (stdout += piece.toString()))
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()))
  const started = performance.now()
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout, stderr, ms: performance.now() - started })
    })
  })
  return { child, ended }
}

/** Runs until it waits for the silent server, then sends the signals. */
async function interrupt(args: readonly string[], ...signals: readonly NodeJS.Signals[]): Promise<Ended> {
  const connected = new Promise((resolve) => silence.once('connection', resolve))
  const { child, ended } = start([...args, '--url', silentUrl])
  await connected
  for (const signal of signals) child.kill(signal)
  return ended
}

const watch = ['health', '--level', 'live', '--deadline', '1h']

describe('a signal', () => {
  test.each([
    ['SIGINT', 130, 'INTERRUPTED'],
    ['SIGTERM', 143, 'TERMINATED'],
  ] as const)('%s ends with %d and one JSON document', async (signal, exitCode, code) => {
    const { stdout, ms, ...ended } = await interrupt([...watch, '--json'], signal)
    expect(ended).toMatchObject({ code: exitCode, signal: null })
    expect(JSON.parse(stdout)).toEqual({
      error: { code, message: `stopped by ${signal}`, hint: null, exitCode },
    })
    expect(ms).toBeLessThan(8_000)
  })

  test('as text is one line', async () => {
    const { stdout, stderr } = await interrupt(watch, 'SIGINT')
    expect([stdout, stderr]).toEqual(['', 'error: stopped by SIGINT\n'])
  })

  test('a second one ends it at once, with a document too', async () => {
    const { code, stdout } = await interrupt([...watch, '--json'], 'SIGINT', 'SIGINT')
    expect(code).toBe(130)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'INTERRUPTED' } })
  })
})

test('--timeout ends the run with 18', async () => {
  const { ended } = start([...watch, '--url', silentUrl, '--timeout', '300ms', '--json'])
  const { code, stdout } = await ended
  expect(code).toBe(18)
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'TIMEOUT', exitCode: 18 } })
})

test('a reader that leaves early is no error', async () => {
  const command = `"${process.execPath}" "${cli}" completion bash | true; echo "\${PIPESTATUS[0]}"`
  const { stdout, stderr } = runNow('bash', ['-c', command])
  expect([stdout, stderr]).toEqual(['0\n', ''])
})

test('a full disk behind stdout is an error', () => {
  const { status, stderr } = runNow(
    'bash',
    ['-c', `"${process.execPath}" "${cli}" completion bash > /dev/full`],
    {},
  )
  expect(status).toBe(1)
  expect(stderr).toContain('the result could not be written: ENOSPC')
})

test('a long result reaches a slow reader whole', () => {
  const command = `"${process.execPath}" "${cli}" completion zsh --json | (sleep 1; cat)`
  const { stdout } = runNow('bash', ['-c', command])
  expect(JSON.parse(stdout)).toMatchObject({ shell: 'zsh' })
})

describe('a container', () => {
  const bare = { PATH: process.env['PATH'] ?? '' }

  test('without HOME and without a terminal', async () => {
    const { ended } = start(['repo', 'init', '--repo', path.join(folder, 'bare')], {
      ...bare,
      TMPDIR: folder,
    })
    const { code, stdout, stderr } = await ended
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('created repository')
  })

  const root = path.resolve(import.meta.dirname, '../..')
  // The stranger must be able to read the program; in a private home folder nobody but the owner is.
  const canBeStranger =
    process.getuid?.() === 0 &&
    asStranger([process.execPath, '-e', `fs.accessSync(${JSON.stringify(root)})`]).status === 0
  const withStranger = canBeStranger ? test : test.skip

  withStranger('with a user id that nobody knows (needs root and setpriv)', async () => {
    const mine = path.join(folder, 'mine')
    await mkdir(mine)
    await chmod(mine, 0o777)
    const args = ['repo', 'init', '--json', '--repo', path.join(mine, 'backups'), '--temp-dir', mine]
    const { status, stdout, stderr } = asStranger([process.execPath, cli, ...args])
    expect([status, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({ created: true })
  })

  function asStranger(command: readonly string[]) {
    return runNow('setpriv', ['--reuid=54321', '--regid=54321', '--clear-groups', ...command], {
      env: bare,
    })
  }

  const canMount = runNow('unshare', ['--mount', 'true']).status === 0
  const withUnshare = canMount ? test : test.skip

  withUnshare('on a read-only root, writing only where it was told to (needs unshare --mount)', async () => {
    const writable = path.join(folder, 'writable')
    await mkdir(writable)
    const script = `mount --bind "$1" "$1" && mount -o remount,ro,bind / && shift && exec "$@"`
    const args = ['repo', 'init', '--json', '--repo', path.join(writable, 'backups'), '--temp-dir', writable]
    const { status, stdout, stderr } = runNow(
      'unshare',
      ['--mount', 'sh', '-c', script, 'sh', writable, process.execPath, cli, ...args],
      { env: { ...bare, HOME: '/' } },
    )
    expect([status, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({ created: true })
  })
})

test('an old Node is told so', async () => {
  const script = `Object.defineProperty(process.versions, 'node', { value: '18.20.0' }); await import(${JSON.stringify(cli)})`
  const { status, stderr } = runNow(process.execPath, ['--input-type=module', '-e', script])
  expect(status).toBe(1)
  expect(stderr).toBe('error: chroma-ops needs Node 20.19 or newer; this is 18.20.0\n')
})
