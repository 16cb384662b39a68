import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { initRepository } from '../../src/backup/repository.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { collectionOf, jobOf, numberedBatch, sourceOf } from '../helpers/backups.js'
import { expectFailure, runJson } from '../helpers/outcomes.js'
import { runCli } from '../helpers/run-cli.js'

const DAY_MS = 86_400_000

let folder: string
let repo: readonly string[]
let ids: string[]

/** Four backups, of four days that are over, in a repository on disk. */
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-prune-'))
  repo = ['--repo', path.join(folder, 'backups')]
  ids = []
  for (let daysAgo = 4; daysAgo > 0; daysAgo--) await backUp(daysAgo)
})

afterEach(() => rm(folder, { recursive: true }))

async function backUp(daysAgo: number, series = 'docs'): Promise<void> {
  const store = new LocalStore(path.join(folder, 'backups'))
  const created = new Date(Date.now() - daysAgo * DAY_MS)
  const { repository } = await initRepository({ store, now: created })
  const source = sourceOf(collectionOf('docs', [numberedBatch(50 + daysAgo)]))
  const { head } = await createBackup(jobOf(repository, source, { now: () => created, series }))
  ids.push(head.id)
}

async function listed(...flags: readonly string[]): Promise<readonly unknown[]> {
  const { backups } = await runJson(['backup', 'list', ...repo, ...flags])
  if (!Array.isArray(backups)) throw new Error('no list')
  return backups.map((backup: { id: string }) => backup.id)
}

test('prune plans unless --apply is given; what it removed can be put back', async () => {
  const prune = ['backup', 'prune', '--keep-last', '2', ...repo]
  const text = await runCli(prune)
  expect(text).toMatchObject({ exitCode: 0, stderr: '' })
  expect(text.stdout).toContain('to be removed')
  expect(text.stdout).toContain('stays: newest, last')
  expect(text.stdout).toContain('add --apply')
  expect(await listed()).toHaveLength(4)

  const plan = await runJson(prune)
  const done = await runJson([...prune, '--apply'])
  expect({ ...done, applied: false, now: '' }).toEqual({ ...plan, now: '' })
  expect(await listed()).toEqual([ids[3], ids[2]])
  expect(await runJson(['backup', 'list', '--removed', ...repo])).toMatchObject({
    removed: [{ id: ids[1], series: 'docs', why: expect.any(String), damaged: null }, { id: ids[0] }],
  })
  expect((await runCli(['backup', 'list', '--removed', ...repo])).stdout).toContain(ids[0])
  const { holdCommand } = await runJson(['backup', 'undelete', ids[1] ?? '', ...repo])
  expect(holdCommand).toContain(`chroma-ops backup hold ${ids[1] ?? ''} --repo`)
  expect(await listed()).toEqual([ids[3], ids[2], ids[1]])
})

test('a hold that would be over already is refused', async () => {
  await expectFailure(['backup', 'hold', ids[0] ?? '', '--until', '2020-01-01', ...repo], {
    exitCode: 2,
    code: 'USAGE',
    message: 'has passed',
  })
})

test('a hold keeps a backup from prune and shows in the list, until it is released', async () => {
  await runJson(['backup', 'hold', ids[0] ?? '', '--reason', 'audit', '--until', '2099-01-01', ...repo])
  const prune = ['backup', 'prune', '--keep-last', '1', '--purge-now', '--apply', ...repo]
  await runJson(prune)
  expect(await listed()).toEqual([ids[3], ids[0]])
  expect(await runJson(['backup', 'list', ...repo])).toMatchObject({
    backups: [{ hold: null }, { hold: { reason: 'audit', until: '2099-01-01T00:00:00.000Z' } }],
  })
  expect((await runCli(['backup', 'list', ...repo])).stdout).toContain('complete, held')
  await expectFailure(['backup', 'prune', ids[0] ?? '', '--apply', ...repo], {
    code: 'BACKUP_PROTECTED',
    exitCode: 15,
    message: 'held',
    hint: 'backup release',
  })
  await runJson(['backup', 'release', ids[0] ?? '', ...repo])
  await runJson(prune)
  expect(await listed()).toEqual([ids[3]])
  await runJson(['backup', 'verify', ...repo])
})

test('tags can be given and taken away later, and keep a backup', async () => {
  await runJson(['backup', 'tag', ids[0] ?? '', 'release=4', 'why=law', ...repo])
  const tagged = await runJson(['backup', 'tag', ids[0] ?? '', '--remove', 'why', ...repo])
  expect(tagged).toMatchObject({ tags: { release: '4' } })
  await runJson(['backup', 'prune', '--keep-tag', 'release', '--apply', ...repo])
  expect(await listed()).toEqual([ids[3], ids[0]])
  expect(await runJson(['backup', 'show', ids[0] ?? '', ...repo])).toMatchObject({
    backup: { tags: { release: '4' } },
  })
})

test('the newest backup that was verified stays; one that is found damaged counts no more', async () => {
  await runJson(['backup', 'verify', ids[0] ?? '', ...repo])
  await runJson(['backup', 'verify', ids[1] ?? '', '--depth', 'records', ...repo])
  await runJson(['backup', 'verify', ids[2] ?? '', '--sample', '50%', ...repo])
  const plan = async (exitCode = 0) => {
    const { backups } = await runJson(['backup', 'prune', '--keep-last', '1', ...repo], exitCode)
    if (!Array.isArray(backups)) throw new Error('no plan')
    return backups.map(({ reasons }: { reasons: string[] }) => reasons)
  }
  expect(await plan()).toEqual([['newest', 'last'], [], ['verified'], []])
  expect(await runJson(['backup', 'list', ...repo])).toMatchObject({
    backups: [{ verified: false }, { verified: false }, { verified: true }, { verified: true }],
  })
  const store = new LocalStore(path.join(folder, 'backups'))
  for await (const { key } of store.list(`objects/${ids[1] ?? ''}/`)) await store.put(key, Buffer.from('rot'))
  await runJson(['backup', 'verify', ids[1] ?? '', ...repo], 13)
  expect(await plan(13)).toEqual([['newest', 'last'], [], [], ['verified']])
})

test('the rules may stand in a profile; flags come first; a damaged manifest is told with what to do', async () => {
  const config = path.join(folder, 'config.yaml')
  await writeFile(config, 'retention:\n  keep_last: 3\n  keep_within: 1h\n  grace: 1d\n')
  const prune = ['backup', 'prune', '--config', config, ...repo]
  expect((await runJson(prune))['backups']).toMatchObject([
    {},
    {},
    { decision: 'keep' },
    { decision: 'remove' },
  ])
  const fewer = await runJson([...prune, '--keep-last', '1'])
  expect(fewer['backups']).toMatchObject([{}, { decision: 'remove' }, { decision: 'remove' }, {}])
  await writeFile(path.join(folder, 'backups', 'backups', `${ids[1] ?? ''}.json`), 'rot')
  const { exitCode, stdout } = await runCli([...prune, '--apply'])
  expect(exitCode).toBe(13)
  expect(stdout).toContain('nothing can be purged')
  expect(stdout).toMatch(/"chroma-ops backup prune \S+ --purge-now --apply --repo [^"]+"/)
})

test('several series need a name, or all; unknown ones, unknown backups and --read-only are refused', async () => {
  await backUp(1, 'other')
  await backUp(2, 'other')
  const prune = ['backup', 'prune', '--keep-last', '1', ...repo]
  await expectFailure(prune, {
    code: 'SERIES_AMBIGUOUS',
    exitCode: 2,
    message: 'docs, other',
    hint: '--series',
  })
  expect((await runJson([...prune, '--series', 'all']))['backups']).toHaveLength(6)
  expect((await runJson([...prune, '--series', 'other']))['backups']).toHaveLength(2)
  await expectFailure([...prune, '--series', 'othr'], {
    code: 'BACKUP_NOT_FOUND',
    exitCode: 10,
    message: 'othr',
  })
  await expectFailure(['backup', 'prune', '2001', ...repo], {
    code: 'BACKUP_NOT_FOUND',
    exitCode: 10,
    message: '2001',
  })
  await expectFailure([...prune, '--series', 'other', '--apply', '--read-only'], {
    code: 'READ_ONLY',
    exitCode: 15,
    message: 'backup prune',
  })
  await expectFailure(['backup', 'prune', '--keep-last', 'some', ...repo], {
    code: 'USAGE',
    exitCode: 2,
    message: '--keep-last',
  })
})
