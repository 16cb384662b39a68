import { beforeEach, describe, expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { listBackups } from '../../src/backup/list-backups.js'
import type { Repository } from '../../src/backup/repository.js'
import { resolveBackup, type ResolveOptions } from '../../src/backup/resolve-backup.js'
import { IntegrityError } from '../../src/core/errors.js'
import { collectionOf, jobOf, newRepository, numberedBatch, sourceOf } from '../helpers/backups.js'
import { FaultySource } from '../helpers/faulty-source.js'
import { FaultyStore } from '../helpers/faulty-store.js'

const docs = collectionOf('docs', [numberedBatch(3, 2, 'd')])
const images = collectionOf('images', [numberedBatch(3, 2, 'i')])

let store: FaultyStore
let repository: Repository

beforeEach(async () => {
  store = new FaultyStore()
  repository = await newRepository(store)
})

async function backUp(
  day: number,
  overrides: Parameters<typeof jobOf>[2] = {},
  source = sourceOf(docs, images),
) {
  const now = () => new Date(Date.UTC(2026, 10, day, 2))
  return (await createBackup(jobOf(repository, source, { now, ...overrides }))).head.id
}

async function resolve(selector: string, options?: ResolveOptions) {
  return (await resolveBackup(repository, selector, options)).id
}

describe('latest', () => {
  test('counts back from the newest', async () => {
    const ids = [await backUp(1), await backUp(2), await backUp(3)]
    expect(await resolve('latest')).toBe(ids[2])
    expect(await resolve('latest~0')).toBe(ids[2])
    expect(await resolve('latest~2')).toBe(ids[0])
    await expect(resolve('latest~3')).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND', exitCode: 10 })
    expect((await listBackups(repository)).map(({ id }) => id)).toEqual([...ids].reverse())
  })

  test('skips partial backups and selections', async () => {
    const whole = await backUp(1)
    await createBackup(
      jobOf(repository, new FaultySource([docs, images], { docs: new IntegrityError('broken') }), {
        now: () => new Date('2026-11-02T02:00:00Z'),
      }),
    )
    const selection = await backUp(3, { collections: ['docs'] })
    expect(await resolve('latest')).toBe(whole)
    await expect(resolve('latest~1')).rejects.toMatchObject({
      hint: expect.stringContaining(`${selection} (a selection)`),
    })
  })

  test('with collections is the newest in which all of them are whole', async () => {
    const whole = await backUp(1)
    const partial = await createBackup(
      jobOf(repository, new FaultySource([docs, images], { docs: new IntegrityError('broken') }), {
        now: () => new Date('2026-11-02T02:00:00Z'),
      }),
    )
    const selection = await backUp(3, { collections: ['docs'] })
    expect(await resolve('latest', { collections: ['docs'] })).toBe(selection)
    expect(await resolve('latest', { collections: ['images'] })).toBe(partial.head.id)
    expect(await resolve('latest', { collections: ['docs', 'images'] })).toBe(whole)
    expect(await resolve('latest', { collections: ['*'] })).toBe(selection)
    await expect(resolve('latest', { collections: ['nope', 'docs'] })).rejects.toMatchObject({
      exitCode: 10,
      message: expect.stringContaining('no backup "latest" with all of nope, docs in '),
    })
  })

  test('does not fall back silently when the newest manifest is damaged', async () => {
    const [old, damaged] = [await backUp(1), await backUp(2)]
    await store.damage(`backups/${damaged}.json`, (bytes) => bytes.subarray(0, -1))
    await expect(resolve('latest')).rejects.toMatchObject({
      code: 'MANIFEST_DAMAGED',
      exitCode: 13,
      backup: damaged,
      hint: expect.stringContaining('older one'),
    })
    expect(await resolve(old)).toBe(old)
    expect(await resolve('2026-11-01T23:00:00Z')).toBe(old)
  })

  test('of several series needs the name of one', async () => {
    const [a, b] = [await backUp(1, { series: 'a' }), await backUp(2, { series: 'b' })]
    await expect(resolve('latest')).rejects.toMatchObject({
      code: 'SERIES_AMBIGUOUS',
      exitCode: 2,
      series: ['a', 'b'],
      message: expect.stringContaining('a, b'),
    })
    expect(await resolve('latest', { series: 'a' })).toBe(a)
    expect(await resolve('latest', { series: 'b' })).toBe(b)
    expect(await resolve(a)).toBe(a)
    await expect(resolve('latest', { series: 'c' })).rejects.toMatchObject({ exitCode: 10 })
  })
})

test('a time means the newest finished by then', async () => {
  const ids = [await backUp(1), await backUp(2)]
  expect(await resolve('2026-11-01T02:00:00Z')).toBe(ids[0])
  expect(await resolve('2026-11-02')).toBe(ids[0])
  // Without a zone it is in UTC, as all times that are shown, wherever the machine stands.
  const zone = process.env['TZ']
  process.env['TZ'] = 'America/New_York'
  try {
    expect(await resolve('2026-11-02T02:00:00')).toBe(ids[1])
    expect(await resolve('2026-11-02 01:59')).toBe(ids[0])
  } finally {
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
  }
  expect(await resolve('2026-11-02T01:59:59.999Z')).toBe(ids[0])
  expect(await resolve('2026-11-30')).toBe(ids[1])
  await expect(resolve('2026-10-01')).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' })
})

test('an id may be cut short as long as one backup begins with it', async () => {
  const ids = [await backUp(1), await backUp(2)]
  expect(await resolve('20261101')).toBe(ids[0])
  await expect(resolve('202611')).rejects.toMatchObject({
    code: 'BACKUP_AMBIGUOUS',
    exitCode: 2,
    hint: expect.stringContaining(ids[0] ?? ''),
  })
  await expect(resolve('20261201')).rejects.toMatchObject({
    code: 'BACKUP_NOT_FOUND',
    hint: expect.stringContaining(ids[1] ?? ''),
  })
})

test.each(['', 'latest~', 'latest~-1', 'no/such', '../repo'])('%p is a usage error', async (selector) => {
  await expect(resolve(selector)).rejects.toMatchObject({ exitCode: 2 })
})

test('an empty repository has no latest, and says so', async () => {
  await expect(resolve('latest')).rejects.toMatchObject({ exitCode: 10, hint: 'there is no backup yet' })
})

test('a backup that needs a newer reader is listed, and refused with 16', async () => {
  const { encodeHead } = await import('../../src/backup/manifest.js')
  await backUp(1)
  const head = await resolveBackup(repository, 'latest')
  await store.put(`backups/${head.id}.json`, encodeHead(repository, { ...head, requires: ['deltas'] }))
  const [entry] = await listBackups(repository)
  expect(entry?.damaged).toMatchObject({ code: 'REPOSITORY_UNSUPPORTED', exitCode: 16 })
  await expect(resolve('latest')).rejects.toMatchObject({
    exitCode: 16,
    message: expect.stringContaining('deltas'),
  })
  await store.put(`backups/${head.id}.json`, encodeHead(repository, { ...head, format: 2 }))
  await expect(resolve(head.id)).rejects.toMatchObject({
    exitCode: 16,
    message: expect.stringContaining('format 2'),
  })
})

test('files that are no manifests are not listed', async () => {
  await backUp(1)
  await store.put('backups/notes.txt', Buffer.from('hello'))
  await store.put('backups/20261101T020000Z-docs-abcd.json.bak', Buffer.from('{}'))
  expect(await listBackups(repository)).toHaveLength(1)
})
