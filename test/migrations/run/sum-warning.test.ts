import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import type { Warning } from '../../../src/core/progress.js'
import { updateSum } from '../../../src/migrations/files/update-sum.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migrationsForSuite } from '../../helpers/migration-runs.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

const TEXT = `import { defineMigration } from 'chroma-ops'
export default defineMigration({ description: 'docs', up: (m) => m.collection('docs').create() })
`

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'chroma-ops-test-sum-'))
})
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

test('up warns of files that are not what chroma-ops.sum says, and applies them', async () => {
  const file = path.join(directory, '00001_docs.ts')
  await writeFile(file, TEXT)
  const told: Warning[] = []
  const progress = { update: () => {}, warn: (warning: Warning) => void told.push(warning) }
  const job = { migrations: undefined, directory, progress }
  expect((await (await openDatabase()).up([], job)).warnings).toEqual([])

  await updateSum({ dir: directory })
  await appendFile(file, '// a comment changes nothing\n')
  expect((await (await openDatabase()).up([], job)).warnings).toEqual([])

  await appendFile(file, 'export const changed = true\n')
  const { error, warnings } = await (await openDatabase()).up([], job)
  expect(error).toBeNull()
  expect(warnings).toEqual([
    {
      code: 'MIGRATION_SUM_MISMATCH',
      message: expect.stringMatching(
        /^00001_docs\.ts is not what .*"chroma-ops migrate validate --update-sum"$/,
      ),
    },
  ])
  expect(told).toEqual(warnings)
})
