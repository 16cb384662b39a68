import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import path from 'node:path'

import { describe, expect, test } from '@jest/globals'

import { collectionsCount, directory, serversForTests, start } from './embedded-servers.js'
import { outputOf, runNow } from '../helpers/run-now.js'

serversForTests()

describe('a start that fails', () => {
  test('because the port is taken says so and leaves nothing running', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const port = portOf(other)
    try {
      await expect(start({ port })).rejects.toMatchObject({
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
      message: `port ${port} of 127.0.0.1 is taken`,
    })
    expect(await collectionsCount(first.url)).toBe(0)
  })

  test('because another Chroma was faster on the same port is not mistaken for success', async () => {
    const port = await freePort()
    const directories = ['one', 'two', 'three'].map((name) => path.join(directory, name))
    const results = await Promise.allSettled(directories.map((own) => start({ directory: own, port })))
    const [winner, ...others] = results.flatMap((result) =>
      result.status === 'fulfilled' ? [result.value] : [],
    )
    expect(others).toEqual([])
    expect(await readdir(winner?.directory ?? '')).toContain('chroma.sqlite3')
    for (const result of results)
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ message: `port ${port} of 127.0.0.1 is taken` })
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
    outputOf('mkdir', [cacheDir])
    outputOf('mount', ['-t', 'tmpfs', '-o', 'noexec,size=80m', 'tmpfs', cacheDir])
    try {
      await expect(start({ directory: path.join(directory, 'data'), cacheDir })).rejects.toMatchObject({
        code: 'EMBEDDED_SERVER_UNSUPPORTED',
        exitCode: 16,
        hint: expect.stringContaining('noexec'),
      })
    } finally {
      outputOf('umount', [cacheDir])
    }
  })
})

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const port = portOf(probe)
  probe.close()
  await once(probe, 'close')
  return port
}

function portOf(server: Server): number {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not listening')
  return address.port
}

function canMountNoexec(): boolean {
  const trial = 'd=$(mktemp -d); mount -t tmpfs -o noexec tmpfs "$d" && umount "$d" && rmdir "$d"'
  return process.platform === 'linux' && runNow('sh', ['-c', trial]).status === 0
}
