import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { apiForSuite } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { migrationsForSuite } from '../helpers/migration-runs.js'

const PROGRAM = fileURLToPath(new URL('../helpers/migrate-process.ts', import.meta.url))
const LOADER = fileURLToPath(new URL('../helpers/run-typescript.js', import.meta.url))
const PROCESSES = 20

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-soak-processes-'))
  await mkdir(path.join(folder, 'migrations'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** The last line that the process writes: its result. */
async function up(database: string): Promise<string> {
  const child = spawn(process.execPath, ['--import', LOADER, PROGRAM, chroma().url, database, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (piece: Buffer) => (text += piece.toString()))
  await new Promise((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  })
  return text.trim().split('\n').at(-1) ?? ''
}

test('twenty processes at once: each migration is done once, and nothing of their locks is left', async () => {
  const database = await openDatabase()
  const versions = ['00001', '00002', '00003']
  const tally = path.join(folder, 'tally')
  for (const version of versions)
    await writeFile(
      path.join(folder, 'migrations', `${version}_once.ts`),
      `import { appendFile } from 'node:fs/promises'
       import { defineMigration } from 'chroma-ops'
       export default defineMigration({
         description: 'once',
         async up(m) {
           await m.step('tally', () => appendFile(${JSON.stringify(tally)}, '${version} '))
           await m.collection('docs-${version}').create()
         },
       })`,
    )
  const results = await Promise.all(Array.from({ length: PROCESSES }, () => up(database.database)))
  expect(await readFile(tally, 'utf8')).toBe('00001 00002 00003 ')
  for (const version of versions)
    expect(results.filter((result) => result.includes(`${version} success`))).toHaveLength(1)
  expect(results.filter((result) => !result.includes('"error":null'))).toEqual([])
  expect(await database.names()).toEqual(versions.map((version) => `docs-${version}`))
}, 600_000)
