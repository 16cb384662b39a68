import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { inspectMigrations } from '../../../src/migrations/files/load-migrations.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migrationsForSuite } from '../../helpers/migration-runs.js'

const PROGRAM = fileURLToPath(new URL('../../helpers/migrate-process.ts', import.meta.url))
const LOADER = fileURLToPath(new URL('../../helpers/run-typescript.js', import.meta.url))

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-test-processes-'))
  await mkdir(path.join(folder, 'migrations'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

interface Ended {
  readonly lines: readonly string[]
  readonly result: unknown
}

/** Ended by SIGKILL when it has said `killAt`. */
function start(database: string, killAt?: string): Promise<Ended> {
  const args = ['--import', LOADER, PROGRAM, chroma().url, database, folder]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (piece: Buffer) => {
    text += piece.toString()
    if (killAt !== undefined && text.includes(killAt)) child.kill('SIGKILL')
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => {
      const lines = text.trim().split('\n')
      const last = lines.at(-1) ?? ''
      resolve({ lines, result: last.startsWith('{') ? JSON.parse(last) : null })
    })
  })
}

async function write(file: string, text: string): Promise<void> {
  await writeFile(path.join(folder, 'migrations', file), text)
}

test('several processes at once: each migration is done once, the others wait and find it done', async () => {
  const database = await openDatabase()
  const tally = path.join(folder, 'tally')
  await write(
    '00001_once.ts',
    `import { appendFile } from 'node:fs/promises'
     import { defineMigration } from 'chroma-ops'
     export default defineMigration({
       description: 'once',
       async up(m) {
         await m.step('tally', () => appendFile(${JSON.stringify(tally)}, 'x'))
         await m.collection('docs').create()
       },
     })`,
  )
  const ended = await Promise.all([1, 2, 3].map(() => start(database.database)))
  const results = ended.map(({ result }) => JSON.stringify(result))
  expect(results.filter((result) => result.includes('00001 success'))).toHaveLength(1)
  expect(results.filter((result) => result.includes('"error":null,"versions":[]'))).toHaveLength(2)
  expect(await readFile(tally, 'utf8')).toBe('x')
  expect(await database.names()).toEqual(['docs'])
})

test('killed in the middle of a step: status says where, and the next run goes on by itself', async () => {
  const database = await openDatabase()
  await database.fill('docs', 30)
  await write(
    '00001_change.ts',
    `import { defineMigration } from 'chroma-ops'
     export default defineMigration({
       description: 'change',
       async up(m) {
         await m.collection('docs').rename('pages')
         await m.collection('pages').transform((record) => ({ ...record, document: 'changed' })).changeSpace('cosine')
       },
     })`,
  )
  const killed = await start(database.database, 'started pages copyAndSwap')
  expect(killed.result).toBeNull()
  const { migrations } = await inspectMigrations({ dir: path.join(folder, 'migrations') })
  const status = await database.status(migrations)
  expect(status.migrations).toMatchObject([{ version: '00001', status: 'interrupted' }])
  expect(status.findings.map(({ code }) => code)).toContain('MIGRATION_INTERRUPTED')

  const resumed = await start(database.database)
  expect(resumed.lines).toContain('resumed docs rename → pages')
  expect(resumed.result).toMatchObject({ error: null, versions: ['00001 success'] })
  const texts = await database.texts('pages')
  expect(texts).toHaveLength(30)
  expect(texts.filter((text) => !text.endsWith('changed'))).toEqual([])
})
