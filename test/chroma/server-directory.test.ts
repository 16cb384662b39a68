import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, test } from '@jest/globals'

import { collectionsCount, directory, isAlive, serversForTests, start } from './embedded-servers.js'

serversForTests()

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
