import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { testCacheDir } from '../helpers/chroma-server.js'
import { startCli } from '../helpers/cli-process.js'
import { makeDirectory } from '../helpers/data-directories.js'
import { runJson } from '../helpers/outcomes.js'

let folder: string
let repo: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-serve-test-'))
  repo = path.join(folder, 'repository')
  await makeDirectory(path.join(folder, 'data'), { records: 20, saved: true })
  await runJson(['backup', '--path', path.join(folder, 'data'), '--repo', repo, '--init', '--series', 'main'])
}, 60_000)

afterAll(() => rm(folder, { recursive: true }))

test.each(['SIGINT', 'SIGTERM'] as const)(
  'backup serve: a server with the data, gone on %s',
  async (signal) => {
    const temp = path.join(folder, signal)
    const port = 20_000 + Math.floor(Math.random() * 20_000)
    const served = await startCli(
      [
        'backup',
        'serve',
        'latest',
        '--repo',
        repo,
        '--port',
        String(port),
        '--temp-dir',
        temp,
        '--cache-dir',
        testCacheDir,
      ],
      {},
    )
    const url = `http://127.0.0.1:${port}/api/v2/tenants/default_tenant/databases/default_database/collections_count`
    for (let waited = 0; served.stdout() === ''; waited++) {
      expect(waited).toBeLessThan(300)
      await pause(100)
    }
    expect(await (await fetch(url)).text()).toBe('1')
    served.kill(signal)
    expect(await served.ended).toMatchObject({ exitCode: 0, stdout: `http://127.0.0.1:${port}\n` })
    await expect(fetch(url)).rejects.toThrow()
    expect(await readdir(temp)).toEqual([])
  },
)
