import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { format } from 'prettier'

import { isShadow } from '../../../src/core/own-collections.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migration, migrationsForSuite } from '../../helpers/migration-runs.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-test-reformatted-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** Two steps with functions; while there is a file `broken`, the second throws in the middle of its copy. */
const source = (folderOfMarks: string) => `
import { existsSync } from 'node:fs'
import { defineMigration } from 'chroma-ops'
export default defineMigration({description:'docs',async up(m){
await m.collection('docs').setMetadata((previous)=>({...previous,owner:"search"}))
await m.collection('docs').transform((record)=>{ if(record.id==='docs-39'&&existsSync(${JSON.stringify(path.join(folderOfMarks, 'broken'))}))throw new Error('broken')
return {...record,document:\`\${record.document ?? ''}!\`}}).copyAndSwap({verify:{sample:10}})
}})
`

async function crashed() {
  const directory = await mkdtemp(path.join(folder, 'project-'))
  await mkdir(path.join(directory, 'migrations'))
  const file = path.join(directory, 'migrations', '00001_docs.ts')
  await writeFile(file, source(directory))
  const database = await openDatabase()
  await database.fill('docs', 40)
  const job = { migrations: undefined, directory: path.join(directory, 'migrations') }
  // Functions are tried on a sample before anything is done.
  const events = { step: () => writeFileSync(path.join(directory, 'broken'), '') }
  const failed = await database.up([], { ...job, events })
  expect(failed.error?.message).toContain('broken')
  expect(failed.migrations[0]?.steps.map(({ state }) => state)).toEqual(['done', 'failed'])
  const all = await api().listCollections(database.tenant, database.database)
  const shadow = all.find(isShadow)
  await rm(path.join(directory, 'broken'))
  return { database, job, file, shadow }
}

async function reformat(file: string, change: (text: string) => string = (text) => text): Promise<void> {
  const text = await readFile(file, 'utf8')
  const pretty = await format(change(text), { parser: 'typescript', tabWidth: 4, singleQuote: false })
  expect(pretty).not.toBe(text)
  await writeFile(file, pretty.replaceAll('\n', '\r\n'))
}

test('a file that was only formatted goes on where it stopped, and with what was copied', async () => {
  const { database, job, file, shadow } = await crashed()
  await reformat(file)
  const resumed = await database.up([], job)
  expect(resumed.error).toBeNull()
  expect(resumed.migrations[0]?.steps.map(({ state }) => state)).toEqual(['earlier', 'done'])
  expect(shadow).toBeDefined()
  expect(await database.find('docs')).toMatchObject({ id: shadow?.id })
})

test('so does one that was mended in another place, and formatted', async () => {
  const { database, job, file } = await crashed()
  await reformat(file, (text) => text.replace("?? ''}!", "?? ''}?"))
  const resumed = await database.up([], job)
  expect(resumed.error).toBeNull()
  expect(resumed.migrations[0]?.steps.map(({ state }) => state)).toEqual(['earlier', 'done'])
  expect((await database.texts('docs'))[0]).toBe('docs-0 text 0?')
})

test('one whose finished step was changed is refused', async () => {
  const { database, job, file } = await crashed()
  await reformat(file, (text) => text.replace('"search"', '"sales"'))
  await expect(database.up([], job)).rejects.toMatchObject({ code: 'HISTORY_CHANGED' })
})

test('a step that is given something else in each run is done once', async () => {
  const database = await openDatabase()
  let [runs, broken] = [0, true]
  const dated = migration('00001', {
    async up(m) {
      await m.collection('docs').create({ metadata: { run: ++runs } })
      await m.step('second', () => {
        if (broken) throw new Error('broken')
      })
    },
  })
  expect((await database.up([dated], { skipBackup: true })).error?.message).toContain('broken')
  broken = false
  const resumed = await database.up([dated], { skipBackup: true })
  expect(resumed.error).toBeNull()
  expect(resumed.migrations[0]?.steps.map(({ state }) => state)).toEqual(['earlier', 'done'])
})
