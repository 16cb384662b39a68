import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { startChroma, type TestChroma } from '../helpers/chroma-server.js'
import { indexFolder } from '../helpers/lose-vectors.js'
import { documentOf, runCli } from '../helpers/run-cli.js'
import { simpleCollection } from '../helpers/simple-collection.js'

let folder: string
let data: string
let chroma: TestChroma

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-rescue-command-'))
  data = path.join(folder, 'data')
  chroma = await startChroma({ directory: path.join(folder, 'live') })
  const api = new ChromaApi(await connectTransport({ url: chroma.url }))
  const docs = await simpleCollection(api, 'docs', 1_200)
  await simpleCollection(api, 'images', 20)
  await api.transport.close()
  await chroma.halt()
  await cp(chroma.directory, data, { recursive: true })
  await rm(path.join(await indexFolder(data, docs.id), 'index_metadata.pickle'))
  await chroma.restart()
})
afterAll(async () => {
  await chroma.kill()
  await chroma.halt()
  await rm(folder, { recursive: true, force: true })
})

const rescue = (...args: readonly string[]) =>
  runCli(['rescue', '--path', data, '--repo', path.join(folder, 'backups'), ...args])

describe('rescue', () => {
  test('--dry-run reads and tells, and writes nothing', async () => {
    const { exitCode, stdout } = await rescue('--dry-run')
    expect(exitCode).toBe(4)
    expect(stdout).toContain('1,200 with text but no vector')
    expect(stdout).toContain('whose ids only the lost list knew')
    expect(stdout).toContain('nothing has been written')
    expect(await rescue()).toMatchObject({ exitCode: 10 })
  })

  test('writes a partial backup and a line for each record', async () => {
    const report = path.join(folder, 'report.jsonl')
    const result = documentOf(await rescue('--init', '--report', report, '--json'))
    expect(result).toMatchObject({
      exitCode: 4,
      backup: { status: 'partial', series: 'rescue', counts: { records: 1_220, missingVectors: 1_200 } },
      collections: [
        { name: 'docs', records: 1_200, whole: 0, withoutVector: 1_200, vectorsWithoutId: 1_200 },
        { name: 'images', records: 20, whole: 20 },
      ],
    })
    const lines = (await readFile(report, 'utf8')).trim().split('\n')
    expect(lines).toHaveLength(1_220)
    expect(lines).toContain('{"collection":"default_tenant/default_database/docs","id":"id7","state":"text"}')
    expect(lines).toContain(
      '{"collection":"default_tenant/default_database/images","id":"id7","state":"whole"}',
    )
  })

  test('what is whole in it can be restored', async () => {
    const target = [
      '--repo',
      path.join(folder, 'backups'),
      '--url',
      chroma.url,
      '--target-database',
      'rescued',
    ]
    const { stdout } = await runCli(['backup', 'list', '--repo', path.join(folder, 'backups'), '--json'])
    const id = /"id":"([^"]+)"/.exec(stdout)?.[1] ?? ''
    expect(await runCli(['restore', id, ...target])).toMatchObject({ exitCode: 15 })
    const restored = documentOf(await runCli(['restore', id, ...target, '--allow-partial', '--json']))
    expect(restored).toMatchObject({ collections: [{ withoutVector: 1_200 }, { records: 20 }], exitCode: 3 })
  })

  test('what a server worked on meanwhile is never the latest of a series, however whole it looks', async () => {
    const live = ['rescue', '--path', chroma.directory, '--repo', path.join(folder, 'backups')]
    const result = documentOf(await runCli([...live, '--series', 'live', '--json']))
    expect(result).toMatchObject({
      exitCode: 3,
      notes: [expect.stringContaining('in use')],
      backup: { status: 'partial', counts: { missingVectors: 0 } },
    })
  })

  test('needs a directory', async () => {
    const { exitCode } = await runCli(['rescue', '--repo', path.join(folder, 'backups')])
    expect(exitCode).toBe(2)
  })
})
