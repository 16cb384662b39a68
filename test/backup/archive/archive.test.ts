import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { exportArchiveFile } from '../../../src/backup/archive/export-archive.js'
import { importArchive } from '../../../src/backup/archive/import-archive.js'
import type { OpenedArchive } from '../../../src/backup/archive/open-archive.js'
import { BackupSource } from '../../../src/backup/backup-source.js'
import { createBackup } from '../../../src/backup/create-backup.js'
import { Erasures, recordErasure } from '../../../src/backup/erasures.js'
import { listBackups } from '../../../src/backup/list-backups.js'
import type { BackupHead } from '../../../src/backup/manifest.js'
import { openRepository, type Repository } from '../../../src/backup/repository.js'
import { resolveBackup } from '../../../src/backup/resolve-backup.js'
import { verifyBackup } from '../../../src/backup/verify-backup.js'
import { silentProgress } from '../../../src/core/progress.js'
import { MemoryStore } from '../../../src/storage/memory-store.js'
import { archiveBytes, openBytes, openFile, tarOf } from '../../helpers/archives.js'
import {
  collectionOf,
  FIRST_NIGHT,
  jobOf,
  KEY,
  newEncryptedRepository,
  newRepository,
  numberedBatch,
  readEverything,
  sourceOf,
} from '../../helpers/backups.js'
import { anyDamage, damaged } from '../../helpers/damage-bytes.js'
import { FaultyStore, withFlippedBit } from '../../helpers/faulty-store.js'
import { runNow } from '../../helpers/run-now.js'
import { anyTimeline, ModelCollection } from '../../helpers/timelines.js'

const source = sourceOf(
  collectionOf('large', [numberedBatch(3000, 16, 'l')]),
  collectionOf('größe', [numberedBatch(40, 4, 's')]),
)
const later = sourceOf(
  collectionOf('large', [numberedBatch(3000, 16, 'l'), numberedBatch(20, 16, 'm')]),
  collectionOf('größe', [numberedBatch(40, 4, 's')]),
)

let folder: string
let repository: Repository
let head: BackupHead
let archive: Buffer

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-archive-test-'))
  repository = await newRepository()
  head = await backUpTwice(repository)
  archive = await archiveBytes({ repository, head })
})

afterAll(() => rm(folder, { recursive: true }))

/** The second one is incremental: it needs objects of the first. */
async function backUpTwice(into: Repository): Promise<BackupHead> {
  await createBackup(jobOf(into, source, { layers: { leastBytes: 0 } }))
  const now = () => new Date(FIRST_NIGHT.getTime() + 86_400_000)
  return (await createBackup(jobOf(into, later, { now, layers: { leastBytes: 0 } }))).head
}

const importInto = (from: Repository, to: Repository, backup: BackupHead) =>
  importArchive({
    from,
    to,
    head: backup,
    actor: 'tester',
    host: 'testhost',
    singleWriter: false,
    concurrency: 3,
    now: () => new Date(),
    progress: silentProgress,
  })

const openEither = (bytes: Buffer, isFile: boolean) =>
  isFile ? openFile(bytes, path.join(folder, 'either.tar')) : openBytes(bytes, folder)

async function opened({ store, backup }: OpenedArchive, key = false) {
  const from = await openRepository({ store, ...(key && { key: async () => KEY }) })
  const [entry] = await listBackups(from)
  if (entry?.head?.id !== backup) throw new Error('another backup')
  return { from, head: entry.head }
}

describe('an archive', () => {
  test('is a repository with one backup, of which everything can be read', async () => {
    const { from, head: found } = await opened(await openFile(archive, path.join(folder, 'one.tar')))
    expect(found).toEqual(head)
    expect(found.requires).toEqual(['layers'])
    expect(
      (await verifyBackup({ repository: from, head, depth: 'records', progress: silentProgress })).problems,
    ).toEqual([])
    expect(await readEverything(new BackupSource(from, head))).toEqual(await readEverything(later))
    await from.store.close()
  })

  test('is the same, byte by byte, each time', async () => {
    expect((await archiveBytes({ repository, head })).equals(archive)).toBe(true)
  })

  test('begins and ends with the manifest, before the checksums of all', async () => {
    const file = path.join(folder, 'listed.tar')
    await writeFile(file, archive)
    const { stdout, status } = runNow('tar', ['tf', file])
    expect(status).toBe(0)
    const names = stdout.trim().split('\n')
    const manifest = `backups/${head.id}.json`
    expect(names.slice(0, 2)).toEqual(['repo.json', manifest])
    expect(names.slice(-2)).toEqual([manifest, 'SHA256SUMS'])
    const owners = new Set(names.flatMap((name) => /^objects\/([^/]+)\//.exec(name)?.[1] ?? []))
    expect(owners.size).toBe(2)
  })

  test('is taken apart by tar and checked by sha256sum', async () => {
    const place = await mkdtemp(path.join(folder, 'apart-'))
    await writeFile(path.join(place, 'a.tar'), archive)
    expect(runNow('tar', ['xf', 'a.tar'], { cwd: place }).status).toBe(0)
    const check = runNow('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: place })
    expect(check).toMatchObject({ status: 0, stdout: '' })
    expect((await readdir(place)).sort()).toEqual(['SHA256SUMS', 'a.tar', 'backups', 'objects', 'repo.json'])
    const [object = ''] = await readdir(path.join(place, 'objects', head.id))
    await writeFile(path.join(place, 'objects', head.id, object), 'altered')
    expect(runNow('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: place }).status).toBe(1)
  })

  test('that tar made of it, in another order and format, is read too', async () => {
    const place = await mkdtemp(path.join(folder, 'again-'))
    await writeFile(path.join(place, 'a.tar'), archive)
    runNow('tar', ['xf', 'a.tar'], { cwd: place })
    await rm(path.join(place, 'a.tar'))
    for (const format of ['gnu', 'posix', 'ustar']) {
      const file = path.join(folder, `${format}.tar`)
      expect(runNow('tar', ['cf', file, `--format=${format}`, '-C', place, '.']).status).toBe(0)
      const bytes = await readFile(file)
      for (const isFile of [false, true]) {
        const { from } = await opened(await openEither(bytes, isFile))
        expect(await readEverything(new BackupSource(from, head))).toEqual(await readEverything(later))
        await from.store.close()
      }
    }
  })

  test('of a damaged backup is not made', async () => {
    const store = new FaultyStore()
    const own = await newRepository(store)
    const { head: whole } = await createBackup(jobOf(own, source))
    const [key = ''] = await store.keys('objects/')
    await store.damage(key, (bytes) => withFlippedBit(bytes, 77))
    await expect(archiveBytes({ repository: own, head: whole })).rejects.toMatchObject({ exitCode: 13 })
    const place = await mkdtemp(path.join(folder, 'nothing-'))
    const job = { repository: own, head: whole, recipients: [], progress: silentProgress }
    await expect(exportArchiveFile(job, path.join(place, 'a.tar'), false)).rejects.toMatchObject({
      exitCode: 13,
    })
    await expect(exportArchiveFile(job, path.join(place, 'a.tar'), true)).rejects.toMatchObject({
      exitCode: 13,
    })
    expect(await readdir(place)).toEqual([])
  })

  test('holds what was erased, so that no restore brings it back', async () => {
    const own = await newRepository()
    const { head: before } = await createBackup(jobOf(own, source))
    const [collection] = await source.listCollections()
    if (collection === undefined) throw new Error('no collection')
    const erased = { ids: ['l0', 'l1'], collections: [collection], backups: [], actor: 'tester' }
    await recordErasure({ repository: own, now: () => new Date('2026-11-21'), ...erased })
    const { from } = await opened(
      await openBytes(await archiveBytes({ repository: own, head: before }), folder),
    )
    const left = (await Erasures.read(from)).in(before, collection)
    expect(left?.has('l0')).toBe(true)
    expect(left?.has('l2')).toBe(false)
    await from.store.close()
  })
})

describe('importing an archive', () => {
  test('gives the same backup in a new repository, also from a stream', async () => {
    const to = await newRepository()
    const { from } = await opened(await openBytes(archive, folder))
    expect(await importInto(from, to, head)).toMatchObject({ added: true })
    await from.store.close()
    const [entry] = await listBackups(to)
    expect(entry?.head).toEqual(head)
    expect(
      (await verifyBackup({ repository: to, head, depth: 'records', progress: silentProgress })).problems,
    ).toEqual([])
    expect((await archiveBytes({ repository: to, head })).length).toBe(archive.length)
    expect(await readdir(folder)).not.toContainEqual(expect.stringMatching(/^chroma-ops-archive-(?!test)/))
  })

  test('stores nothing again', async () => {
    const store = new FaultyStore()
    const to = await newRepository(store)
    await createBackup(jobOf(to, source, { layers: { leastBytes: 0 } }))
    const { from } = await opened(await openFile(archive, path.join(folder, 'again.tar')))
    expect(await importInto(from, to, head)).toMatchObject({ added: true })
    const read = await resolveBackup(from, 'latest')
    expect(await importInto(from, to, read)).toEqual({ added: false, objects: 0, bytes: 0 })
    const elsewhere = await newRepository()
    expect(await importInto(from, elsewhere, read)).toMatchObject({ added: true })
    expect(await importInto(from, elsewhere, read)).toEqual({ added: false, objects: 0, bytes: 0 })
    await from.store.close()
    expect(
      (await verifyBackup({ repository: to, head, depth: 'records', progress: silentProgress })).problems,
    ).toEqual([])
  })

  test('of an encrypted repository needs its key, and keeps everything encrypted', async () => {
    const own = await newEncryptedRepository()
    const secret = await backUpTwice(own)
    const bytes = await archiveBytes({ repository: own, head: secret })
    for (const word of ['large', 'default_tenant', 'l17', 'document'])
      expect(bytes.includes(word)).toBe(false)
    const plain = await openBytes(bytes, folder)
    await expect(openRepository({ store: plain.store })).rejects.toMatchObject({ exitCode: 14 })
    const { from } = await opened(plain, true)
    expect(await readEverything(new BackupSource(from, secret))).toEqual(await readEverything(later))
    const to = await newRepository()
    expect(await importInto(from, to, secret)).toMatchObject({ added: true })
    expect(await readEverything(new BackupSource(to, (await listBackups(to))[0]?.head ?? secret))).toEqual(
      await readEverything(later),
    )
    await from.store.close()
  })

  test('commits nothing of an archive that is damaged anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(anyDamage(), fc.boolean(), async (damage, streamed) => {
        const bytes = damaged(archive, damage)
        if (bytes.equals(archive)) return
        const store = new MemoryStore()
        const to = await newRepository(store)
        const outcome = await attempt(bytes, streamed, to)
        const [entry] = await listBackups(to)
        if (outcome === 'imported') {
          // Harmless places: padding, times and owners in headers, bytes behind the end.
          expect(entry?.head).toEqual(head)
          const report = await verifyBackup({
            repository: to,
            head,
            depth: 'records',
            progress: silentProgress,
          })
          expect(report.problems).toEqual([])
        } else {
          expect(outcome).toBe(13)
          expect(entry).toBeUndefined()
        }
      }),
      { numRuns: 120 },
    )
  })

  test('commits nothing of one that is cut off, wherever', async () => {
    const cuts = Array.from({ length: 25 }, (_, cut) => Math.floor((archive.length - 1024) * (cut / 25)))
    for (const [index, cut] of [...cuts, archive.length - 1024].entries()) {
      const to = await newRepository()
      const outcome = await attempt(archive.subarray(0, cut), index % 2 === 0, to)
      // Only the two empty blocks at the very end say nothing; a stream may lack them.
      expect(outcome).toBe(cut === archive.length - 1024 && index % 2 === 0 ? 'imported' : 13)
    }
  })

  async function attempt(bytes: Buffer, streamed: boolean, to: Repository): Promise<unknown> {
    let store
    try {
      const found = await (streamed
        ? openBytes(bytes, folder)
        : openFile(bytes, path.join(folder, 'damaged.tar')))
      store = found.store
      const { from, head: inside } = await opened(found)
      await importInto(from, to, inside)
      return 'imported'
    } catch (error) {
      if (typeof error === 'object' && error !== null && 'exitCode' in error) return error.exitCode
      throw error
    } finally {
      await store?.close()
    }
  }

  test.each([
    ['a name that leads elsewhere', { name: '../outside.json' }],
    ['an absolute name', { name: '/etc/passwd' }],
    ['a link', { name: 'repo.json', type: 'symlink' as const, linkname: '/etc/passwd' }],
    ['a file that is not of a repository', { name: 'readme.txt', text: 'hello' }],
    ['a manifest of no backup', { name: 'backups/x.json', text: '{}' }],
    ['a huge file', { name: 'repo.json', text: Buffer.alloc(17 * 1024 * 1024) }],
  ])('refuses %s', async (_, file) => {
    const bytes = await tarOf([file])
    for (const isFile of [false, true])
      await expect(openEither(bytes, isFile)).rejects.toMatchObject({ exitCode: 13 })
  })

  test('refuses a file that is there twice with different bytes', async () => {
    const bytes = await tarOf([
      { name: 'repo.json', text: 'one' },
      { name: 'repo.json', text: 'two' },
    ])
    for (const isFile of [false, true])
      await expect(openEither(bytes, isFile)).rejects.toThrow('repo.json twice')
  })

  test('refuses one without its checksums, or with others', async () => {
    const file = path.join(folder, 'sums.tar')
    await writeFile(file, archive)
    expect(runNow('tar', ['--delete', '-f', file, 'SHA256SUMS']).status).toBe(0)
    const without = await readFile(file)
    const altered = Buffer.from(archive)
    altered.write('0000', altered.lastIndexOf('  repo.json') - 10)
    for (const isFile of [false, true]) {
      await expect(openEither(without, isFile)).rejects.toThrow('SHA256SUMS, its last file, is missing')
      await expect(openEither(altered, isFile)).rejects.toThrow('repo.json does not match SHA256SUMS')
    }
  })

  test('refuses what is no archive at all', async () => {
    for (const bytes of [Buffer.from('{"id":"a"}\n'), Buffer.alloc(5000, 7), Buffer.alloc(0)])
      for (const isFile of [false, true])
        await expect(openEither(bytes, isFile)).rejects.toMatchObject({ exitCode: 13 })
  })
})

test('whatever a series has been through, each of its backups goes through an archive', async () => {
  await fc.assert(
    fc.asyncProperty(anyTimeline(3), async (timeline) => {
      const own = await newRepository()
      const model = new ModelCollection('docs', 3, 60)
      for (const [night, changes] of timeline.entries()) {
        const now = () => new Date(FIRST_NIGHT.getTime() + night * 86_400_000)
        const options = { now, layers: { leastBytes: 0 }, allowShrink: true, allowEmpty: true }
        for (const change of changes) model.apply(change)
        await createBackup(jobOf(own, sourceOf(model.collection(33)), options))
      }
      for (const { head: each } of await listBackups(own)) {
        if (each === null) throw new Error('damaged')
        const { from } = await opened(
          await openBytes(await archiveBytes({ repository: own, head: each }), folder),
        )
        const to = await newRepository()
        await importInto(from, to, each)
        expect(await readEverything(new BackupSource(to, each))).toEqual(
          await readEverything(new BackupSource(own, each)),
        )
        await from.store.close()
      }
    }),
    { numRuns: 8 },
  )
})
