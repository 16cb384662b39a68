import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { openDataDirectory } from '../../src/datadir/data-directory.js'
import { DirectorySource } from '../../src/datadir/directory-source.js'
import { expectFailure, runJson } from '../helpers/outcomes.js'
import { truthOf } from '../helpers/truth.js'

const golden = fileURLToPath(new URL('../golden', import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-golden-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('what an earlier release has held, tagged, verified and put into the trash is so today', async () => {
  const repo = path.join(folder, 'kept')
  await cp(path.join(golden, 'format-1', 'kept', 'repository'), repo, { recursive: true })
  const trashed = (await readFile(path.join(golden, 'format-1', 'kept', 'trashed'), 'utf8')).trim()
  const { backups } = await runJson(['backup', 'list', '--repo', repo])
  expect(backups).toMatchObject([
    { tags: { release: '1.0' }, verified: true },
    { hold: { reason: 'kept for the auditors' } },
  ])
  const { entries } = await runJson(['repo', 'log', '--repo', repo])
  expect(entries).toHaveLength(5)
  const plan = await runJson(['backup', 'prune', '--keep-last', '1', '--repo', repo])
  expect(plan['backups']).toMatchObject([{ decision: 'keep' }, { decision: 'keep', reasons: ['held'] }])
  expect(plan['trash']).toMatchObject([{ id: trashed, decision: 'keep' }])
  await runJson(['backup', 'undelete', trashed, '--repo', repo])
  const report = await runJson(['backup', 'verify', trashed, '--repo', repo])
  expect(report).toMatchObject({ status: 'ok' })
  await expectFailure(['backup', 'undelete', trashed, '--repo', repo], {
    exitCode: 10,
    code: 'BACKUP_NOT_FOUND',
    message: trashed,
  })
})

test('a physical backup of an earlier release is put in place with the records of then', async () => {
  const place = path.join(golden, 'physical-1')
  // Verifying leaves a mark.
  const repo = path.join(folder, 'physical')
  await cp(path.join(place, 'repository'), repo, { recursive: true })
  const name = (await readdir(place)).find((each) => each.endsWith('.truth')) ?? ''
  const report = await runJson(['backup', 'verify', 'latest', '--repo', repo])
  expect(report).toMatchObject({ status: 'ok' })
  const target = path.join(folder, 'data')
  await runJson(['restore', name.replace('.truth', ''), '--repo', repo, '--path', target])
  const directory = await openDataDirectory(target)
  try {
    expect(await truthOf(new DirectorySource(directory))).toBe(await readFile(path.join(place, name), 'utf8'))
  } finally {
    directory.close()
  }
})
