import { gzipSync } from 'node:zlib'

import { beforeEach, describe, expect, test } from '@jest/globals'

import { BackupSource } from '../../src/backup/backup-source.js'
import { encodeCatalogue } from '../../src/backup/catalogue.js'
import { readCatalogue } from '../../src/backup/catalogue-reader.js'
import { readContents } from '../../src/backup/contents.js'
import { createBackup } from '../../src/backup/create-backup.js'
import { listBackups } from '../../src/backup/list-backups.js'
import { encodeHead, type BackupHead } from '../../src/backup/manifest.js'
import { ObjectReader } from '../../src/backup/object-reader.js'
import { contentId, objectKey, sha256Hex, type ObjectReference } from '../../src/backup/object-reference.js'
import { openRepository, type Repository } from '../../src/backup/repository.js'
import { resolveBackup } from '../../src/backup/resolve-backup.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import type { VerifyReport } from '../../src/backup/verify-report.js'
import { silentProgress } from '../../src/core/progress.js'
import {
  collectionOf,
  jobOf,
  newRepository,
  numberedBatch,
  readEverything,
  recordedProgress,
  sourceOf,
} from '../helpers/backups.js'
import { FaultyStore, withFlippedBit } from '../helpers/faulty-store.js'

let store: FaultyStore
let repository: Repository
let head: BackupHead

/** Large enough for objects of their own beside bundles. */
const source = sourceOf(
  collectionOf('large', [numberedBatch(2600, 256, 'l')]),
  collectionOf('small', [numberedBatch(40, 4, 's')]),
)

beforeEach(async () => {
  store = new FaultyStore()
  repository = await newRepository(store)
  const summary = await createBackup(jobOf(repository, source))
  head = summary.head
})

async function verify(): Promise<VerifyReport> {
  return verifyBackup({ repository, head, progress: silentProgress })
}

async function readAll() {
  return readEverything(new BackupSource(repository, head))
}

/** Bits of a blob: all of a small one would take long, so some of each region. */
function someBits(size: number): number[] {
  const step = Math.max(1, Math.floor((size * 8) / 23))
  const bits = [0, size * 8 - 1]
  for (let bit = 3; bit < size * 8; bit += step) bits.push(bit)
  return bits
}

describe('one flipped bit', () => {
  test('in any object is found by verify, which names the object and the backup', async () => {
    const keys = await store.keys('objects/')
    expect(keys.length).toBeGreaterThan(4)
    for (const key of keys) {
      const original = Buffer.from((await store.get(key)).bytes)
      for (const bit of someBits(original.length)) {
        await store.put(key, withFlippedBit(original, bit))
        const report = await verify()
        expect(report).toMatchObject({ status: 'damaged', exitCode: 13 })
        expect(report.problems).toHaveLength(1)
        expect(report.problems[0]).toMatchObject({ code: 'OBJECT_ALTERED', key, backups: [head.id] })
        expect(report.problems[0]?.collections.length).toBeGreaterThan(0)
      }
      await store.put(key, original)
    }
    expect(await verify()).toMatchObject({ status: 'ok', exitCode: 0, problems: [] })
  })

  test('in an object with records, or in a catalogue, stops reading with 13', async () => {
    const failures: unknown[] = []
    const keys = await store.keys('objects/')
    for (const key of keys) {
      const original = Buffer.from((await store.get(key)).bytes)
      await store.put(key, withFlippedBit(original, 1000))
      await readAll().catch((error: unknown) => failures.push(error))
      await store.put(key, original)
    }
    // The object with the index pages is not needed to read records.
    expect(failures).toHaveLength(keys.length - 1)
    for (const failure of failures) expect(failure).toMatchObject({ code: 'OBJECT_ALTERED', exitCode: 13 })
  })

  test('anywhere in a manifest makes the backup damaged in the list, and unusable', async () => {
    const key = `backups/${head.id}.json`
    const original = Buffer.from((await store.get(key)).bytes)
    for (let at = 0; at < original.length; at++) {
      await store.put(key, withFlippedBit(original, at * 8 + (at % 8)))
      const [entry] = await listBackups(repository)
      expect(entry).toMatchObject({ id: head.id, series: 'docs', head: null })
      expect(entry?.damaged).toMatchObject({ code: 'MANIFEST_DAMAGED', exitCode: 13, backup: head.id })
    }
    for (const selector of [head.id, 'latest']) {
      await expect(resolveBackup(repository, selector)).rejects.toMatchObject({ exitCode: 13 })
    }
    expect((await verify()).problems).toMatchObject([{ code: 'MANIFEST_DAMAGED', key }])
  })

  test('in repo.json is told when the repository is opened', async () => {
    const original = Buffer.from((await store.get('repo.json')).bytes)
    for (let bit = 0; bit < original.length * 8; bit++) {
      await store.put('repo.json', withFlippedBit(original, bit))
      await expect(openRepository({ store })).rejects.toMatchObject({
        code: 'REPOSITORY_DAMAGED',
        exitCode: 13,
      })
    }
  })
})

describe('an object that is', () => {
  async function bySize(): Promise<string[]> {
    const sizes = await Promise.all((await store.keys('objects/')).map((key) => store.stat(key)))
    return sizes.sort((a, b) => b.size - a.size).map(({ key }) => key)
  }

  async function largestObject(): Promise<string> {
    return (await bySize())[0] ?? ''
  }

  test('missing is named, with the collections that need it', async () => {
    const key = await largestObject()
    await store.delete(key)
    const [problem] = (await verify()).problems
    expect(problem).toMatchObject({ code: 'OBJECT_MISSING', problem: 'missing', key })
    expect(problem?.collections).toEqual(['default_tenant/default_database/large'])
    await expect(readAll()).rejects.toMatchObject({
      code: 'OBJECT_MISSING',
      exitCode: 13,
      backup: head.id,
      collection: 'default_tenant/default_database/large',
    })
  })

  test.each([0, 1, 100_000])('truncated to %d bytes has its own code', async (size) => {
    const key = await largestObject()
    await store.damage(key, (bytes) => bytes.subarray(0, size))
    expect((await verify()).problems).toMatchObject([{ code: 'OBJECT_TRUNCATED', key }])
    await expect(readAll()).rejects.toMatchObject({ code: 'OBJECT_TRUNCATED', exitCode: 13 })
  })

  test('longer than it should be is altered', async () => {
    const key = await largestObject()
    await store.damage(key, (bytes) => Buffer.concat([bytes, Buffer.of(0)]))
    expect((await verify()).problems).toMatchObject([{ code: 'OBJECT_ALTERED', key }])
  })

  test('swapped with another is found, and the other is named', async () => {
    const [a = '', b = ''] = await bySize()
    const { bytes: bytesOfA } = await store.get(a)
    const { bytes: bytesOfB } = await store.get(b)
    await store.put(a, bytesOfB)
    await store.put(b, bytesOfA)
    const { problems } = await verify()
    expect(problems.map(({ key }) => key).sort()).toEqual([a, b].sort())
    expect(problems.map(({ code }) => code)).toEqual(['OBJECT_SWAPPED', 'OBJECT_SWAPPED'])
    expect(problems.find(({ key }) => key === a)?.message).toContain(b)
  })

  test('duplicated under another name is found there and harmless elsewhere', async () => {
    const [a = '', b = ''] = await store.keys('objects/')
    const { bytes } = await store.get(a)
    await store.put(`objects/${head.id}/${'0'.repeat(32)}.${'0'.repeat(64)}`, bytes)
    expect((await verify()).status).toBe('ok')
    await store.put(b, bytes)
    expect((await verify()).problems).toMatchObject([{ code: 'OBJECT_SWAPPED', key: b }])
  })
})

test('the manifest of one backup under the name of another is refused', async () => {
  const later = await createBackup(jobOf(repository, source, { now: () => new Date('2026-11-21T02:00:00Z') }))
  const { bytes } = await store.get(`backups/${head.id}.json`)
  await store.put(`backups/${later.head.id}.json`, bytes)
  const [entry] = await listBackups(repository)
  expect(entry?.damaged).toMatchObject({ code: 'MANIFEST_DAMAGED', backup: later.head.id })
})

test('a damaged object names every backup that shares it', async () => {
  const second = await createBackup(
    jobOf(repository, source, { now: () => new Date('2026-11-21T02:00:00Z') }),
  )
  const [key = ''] = await store.keys('objects/')
  await store.damage(key, (bytes) => withFlippedBit(bytes, 5))
  const [problem] = (await verify()).problems
  expect(problem?.backups).toEqual([head.id, second.head.id])
})

test('garbage on the first read only: the records are right, and a warning is given', async () => {
  for (const key of await store.keys('objects/')) store.garbleOnce.add(key)
  const progress = recordedProgress()
  const read = await readEverything(new BackupSource(repository, head, progress))
  expect(read).toEqual(await readEverything(source))
  expect(progress.warnings.length).toBeGreaterThan(0)
  expect(new Set(progress.warnings.map(({ code }) => code))).toEqual(new Set(['OBJECT_REREAD']))
  for (const key of await store.keys('objects/')) store.garbleOnce.add(key)
  const report = await verify()
  expect(report).toMatchObject({ status: 'ok', problems: [] })
  expect(report.objects.reread).toBe(report.objects.total)
})

test('records that disagree with their digests are found when records are verified', async () => {
  // What a faulty writer, or faulty memory, would have committed: every checksum fits, the digests don't.
  const forged = await forgePayload((text) => text.replace('document 1 of s', 'document 7 of s'))
  const job = { repository, head: forged, progress: silentProgress }
  expect(await verifyBackup(job)).toMatchObject({ status: 'ok', depth: 'stored' })
  const report = await verifyBackup({ ...job, depth: 'records' })
  expect(report).toMatchObject({ status: 'damaged', depth: 'records', exitCode: 13 })
  expect(report.problems).toMatchObject([
    { code: 'OBJECT_INCONSISTENT', collections: ['default_tenant/default_database/small'] },
  ])
  expect(report.problems[0]?.message).toContain('does not match the digests of its records')
})

/** Commits a backup whose payload was changed before it was stored. */
async function forgePayload(change: (text: string) => string): Promise<BackupHead> {
  const contents = await readContents(repository, head)
  const entry = contents.collections.find(({ name }) => name === 'small')
  if (entry === undefined) throw new Error('no such collection')
  const reader = new ObjectReader({ repository, backup: head.id })
  const catalogue = await readCatalogue(reader, contents, entry)
  const payload = catalogue.rowGroups[0]?.payload[0]?.[0] ?? -1
  const objects = await Promise.all(
    catalogue.objects.map(async (reference, index) => {
      if (index !== payload) return reference
      const whole = await reader.readExtents(catalogue.objects, [[index, 0, reference.length]], {
        collection: null,
      })
      return putObject('gzip', Buffer.from(change(whole.toString())))
    }),
  )
  const reference = await putObject('gzip', encodeCatalogue({ ...catalogue, objects }))
  const forged: BackupHead = {
    ...head,
    contents: {
      objects: [reference],
      collections: [{ ...entry, catalogue: [[0, 0, reference.length]] }],
    },
  }
  await store.put(`backups/${head.id}.json`, encodeHead(repository, forged))
  return forged
}

async function putObject(encoding: 'raw' | 'gzip', plaintext: Buffer): Promise<ObjectReference> {
  const stored = encoding === 'raw' ? plaintext : gzipSync(plaintext)
  const reference: ObjectReference = {
    backup: head.id,
    id: contentId(sha256Hex(plaintext)),
    sha256: sha256Hex(stored),
    size: stored.length,
    length: plaintext.length,
    encoding,
  }
  await store.put(objectKey(reference), stored)
  return reference
}
