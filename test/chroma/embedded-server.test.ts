import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { startEmbeddedServer, type EmbeddedServer } from '../../src/chroma/embedded-server.js'
import { testCacheDir } from '../helpers/chroma-server.js'

const COLLECTIONS = '/api/v2/tenants/default_tenant/databases/default_database/collections'

let directory: string
const running: EmbeddedServer[] = []

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'chroma-ops-embedded-'))
})

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
  await rm(directory, { recursive: true, force: true })
})

async function start(
  options: Partial<Parameters<typeof startEmbeddedServer>[0]> = {},
): Promise<EmbeddedServer> {
  const server = await startEmbeddedServer({ directory, cacheDir: testCacheDir, ...options })
  running.push(server)
  return server
}

async function createCollection(url: string, name: string): Promise<void> {
  const answer = await fetch(url + COLLECTIONS, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  })
  expect(answer.status).toBe(200)
}

async function collectionsCount(url: string): Promise<number> {
  const answer = await fetch(`${url}${COLLECTIONS}_count`)
  return Number(await answer.text())
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function until(condition: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const end = Date.now() + withinMs
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not true within ${withinMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('a started server', () => {
  test('answers for data, is empty, and is gone after stop', async () => {
    const server = await start()
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(await collectionsCount(server.url)).toBe(0)
    await server.stop()
    expect(isAlive(server.pid)).toBe(false)
    await expect(fetch(server.url)).rejects.toThrow()
    expect(
      (await readdir(path.join(directory, '.chroma-ops'))).filter((name) => name.endsWith('.lock')),
    ).toEqual([])
  })

  test('keeps what it was given over a restart, and stop may be called twice', async () => {
    const first = await start()
    await createCollection(first.url, 'kept')
    await first.stop()
    await first.stop()
    const second = await start()
    expect(await collectionsCount(second.url)).toBe(1)
  })

  test('is not steered by Chroma variables of the environment', async () => {
    process.env['CHROMA_PORT'] = 'tcp://10.0.0.1:8000'
    process.env['CHROMA_PERSIST_PATH'] = '/nowhere'
    try {
      const server = await start({ allowReset: true })
      expect(await collectionsCount(server.url)).toBe(0)
      expect((await stat(path.join(directory, 'chroma.sqlite3'))).isFile()).toBe(true)
    } finally {
      delete process.env['CHROMA_PORT']
      delete process.env['CHROMA_PERSIST_PATH']
    }
  })

  test('can be reset only if that was asked for', async () => {
    const reset = async (url: string) => (await fetch(`${url}/api/v2/reset`, { method: 'POST' })).status
    const closed = await start()
    expect(await reset(closed.url)).toBe(403)
    await closed.stop()
    const open = await start({ allowReset: true })
    expect(await reset(open.url)).toBe(200)
  })

  test('tells when it ends by itself, and its last words are kept', async () => {
    const server = await start()
    expect(server.output()).toContain('listening on address')
    process.kill(server.pid, 'SIGKILL')
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' })
    await server.stop()
  })

  test('ends when the process that started it is killed', async () => {
    const { parent, serverPid } = await startInAnotherProcess()
    expect(isAlive(serverPid)).toBe(true)
    parent.kill('SIGKILL')
    await until(() => !isAlive(serverPid))
    // The lock of the killed one is recognised as stale.
    await start()
  })

  test('ends when the process that started it forgets it', async () => {
    const { parent, serverPid } = await startInAnotherProcess('forget')
    await once(parent, 'exit')
    await until(() => !isAlive(serverPid))
  })
})

describe('one directory', () => {
  test('never has two servers', async () => {
    const server = await start()
    await expect(start()).rejects.toMatchObject({
      code: 'SERVER_DIRECTORY_BUSY',
      exitCode: 11,
      message: `a Chroma server (process ${server.pid}) is running on ${directory}`,
    })
    expect(await collectionsCount(server.url)).toBe(0)
  })

  test('never has two servers when several start at once', async () => {
    const results = await Promise.allSettled([start(), start(), start()])
    const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.pid] : []))
    expect(started.filter(isAlive).length).toBeLessThanOrEqual(1)
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'SERVER_DIRECTORY_BUSY' })
  })

  test('locked by a process of another machine is refused, and the file to delete is named', async () => {
    await (await start()).stop()
    const lock = path.join(directory, '.chroma-ops', 'server-17-1.lock')
    await writeFile(
      lock,
      JSON.stringify({ pid: 17, startTime: '1', host: 'elsewhere', boot: 'b', pidNamespace: 'n' }),
    )
    await expect(start()).rejects.toMatchObject({ exitCode: 11, hint: expect.stringContaining(lock) })
  })

  test('locked by a process id that is now another process is free', async () => {
    const server = await start()
    const folder = path.join(directory, '.chroma-ops')
    const [name] = (await readdir(folder)).filter((file) => file.endsWith('.lock'))
    const lock = await readFile(path.join(folder, name ?? ''), 'utf8')
    await server.stop()
    const reused = lock.replace(`"pid":${server.pid}`, `"pid":${process.pid}`)
    expect(reused).not.toBe(lock)
    await writeFile(path.join(folder, 'server-old.lock'), reused)
    await start()
  })

  test('that chroma-ops did not create is refused and left as it was', async () => {
    await writeFile(path.join(directory, 'chroma.sqlite3'), 'somebody’s')
    await expect(start()).rejects.toMatchObject({ code: 'NOT_OUR_DIRECTORY', exitCode: 15 })
    expect(await readdir(directory)).toEqual(['chroma.sqlite3'])
  })
})

describe('a start that fails', () => {
  test('because the port is taken says so and leaves nothing running', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const address = other.address()
    const port = typeof address === 'object' ? address?.port : undefined
    try {
      await expect(start({ port: port ?? 0 })).rejects.toMatchObject({
        code: 'EMBEDDED_SERVER_FAILED',
        message: `port ${port} of 127.0.0.1 is taken`,
      })
    } finally {
      other.close()
    }
  })

  test('because another Chroma has the port is not mistaken for success', async () => {
    const first = await start()
    const port = Number(new URL(first.url).port)
    await expect(start({ directory: path.join(directory, 'second'), port })).rejects.toMatchObject({
      code: 'EMBEDDED_SERVER_FAILED',
    })
  })

  test('because the database is damaged carries the last words of the server', async () => {
    await (await start()).stop()
    await writeFile(
      path.join(directory, 'chroma.sqlite3'),
      'not a database at all, but long enough to be read',
    )
    await expect(start({ readyTimeoutMs: 2_000 })).rejects.toMatchObject({
      code: 'EMBEDDED_SERVER_FAILED',
      hint: expect.stringContaining('it said: '),
    })
  })

  test('because it was stopped leaves nothing running', async () => {
    const abort = new AbortController()
    setTimeout(() => {
      abort.abort()
    }, 100)
    await expect(start({ signal: abort.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    await start()
  })

  test('because the file is no server names the system’s reason', async () => {
    const binding = path.join(directory, 'wrong.node')
    await writeFile(binding, 'text')
    await expect(start({ directory: path.join(directory, 'data'), binding })).rejects.toMatchObject({
      code: 'EMBEDDED_SERVER_UNSUPPORTED',
      exitCode: 16,
    })
  })

  const withNoexec = canMountNoexec() ? test : test.skip
  withNoexec('because the cache directory is mounted noexec names it', async () => {
    const cacheDir = path.join(directory, 'noexec')
    execFileSync('mkdir', [cacheDir])
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'noexec,size=80m', 'tmpfs', cacheDir])
    try {
      await expect(start({ directory: path.join(directory, 'data'), cacheDir })).rejects.toMatchObject({
        code: 'EMBEDDED_SERVER_UNSUPPORTED',
        exitCode: 16,
        hint: expect.stringContaining('noexec'),
      })
    } finally {
      execFileSync('umount', [cacheDir])
    }
  })
})

function canMountNoexec(): boolean {
  const trial = 'd=$(mktemp -d); mount -t tmpfs -o noexec tmpfs "$d" && umount "$d" && rmdir "$d"'
  return process.platform === 'linux' && spawnSync('sh', ['-c', trial]).status === 0
}

/** A process that starts a server on `directory` and then waits, or ends without stopping it. */
async function startInAnotherProcess(then: 'wait' | 'forget' = 'wait') {
  const program = `
    import { startEmbeddedServer } from './src/chroma/embedded-server.ts'
    const server = await startEmbeddedServer(${JSON.stringify({ directory, cacheDir: testCacheDir })})
    console.log(server.pid)
    ${then === 'wait' ? 'setInterval(() => {}, 1_000)' : ''}
  `
  const parent = spawn(
    process.execPath,
    ['--import', './test/helpers/run-typescript.js', '--input-type=module', '--eval', program],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let firstLine = ''
  for await (const chunk of parent.stdout.setEncoding('utf8')) {
    firstLine = String(chunk)
    break
  }
  return { parent, serverPid: Number(firstLine) }
}
