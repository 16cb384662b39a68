import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'

import { expect, test } from '@jest/globals'

import { testCacheDir } from '../helpers/chroma-server.js'
import { waitUntil } from '../helpers/wait-until.js'
import {
  collectionsCount,
  createCollection,
  directory,
  isAlive,
  serversForTests,
  start,
} from './embedded-servers.js'

serversForTests()

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
    const server = await start()
    expect(await collectionsCount(server.url)).toBe(0)
    expect((await stat(path.join(directory, 'chroma.sqlite3'))).isFile()).toBe(true)
  } finally {
    delete process.env['CHROMA_PORT']
    delete process.env['CHROMA_PERSIST_PATH']
  }
})

test('tells when it ends by itself, and its last words are kept', async () => {
  const server = await start()
  expect(server.output()).toContain('listening on address')
  process.kill(server.pid, 'SIGKILL')
  expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' })
  await server.stop()
})

test('takes a directory with any name', async () => {
  const server = await start({ directory: path.join(directory, 'a b', "#'é{}") })
  expect(await collectionsCount(server.url)).toBe(0)
})

test('ends when the process that started it is killed', async () => {
  const { parent, serverPid } = await startInAnotherProcess()
  expect(isAlive(serverPid)).toBe(true)
  parent.kill('SIGKILL')
  await waitUntil('the server has ended', () => !isAlive(serverPid))
  // The lock of the killed one is recognised as stale.
  await start()
})

test('ends when the process that started it forgets it', async () => {
  const { parent, serverPid } = await startInAnotherProcess('forget')
  await once(parent, 'exit')
  await waitUntil('the server has ended', () => !isAlive(serverPid))
})

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
