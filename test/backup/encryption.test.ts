import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import { BackupSource } from '../../src/backup/backup-source.js'
import { RepositoryCipher, CIPHER_BYTES } from '../../src/backup/cipher.js'
import { createBackup } from '../../src/backup/create-backup.js'
import { decodeDocument, encodeDocument } from '../../src/backup/documents.js'
import { passphraseKey, type RepositoryKey } from '../../src/backup/key-file.js'
import { listBackups } from '../../src/backup/list-backups.js'
import type { BackupHead } from '../../src/backup/manifest.js'
import { openRepository, repairRepository, type Repository } from '../../src/backup/repository.js'
import { sealJson } from '../../src/backup/sealed-json.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import { silentProgress } from '../../src/core/progress.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import {
  collectionOf,
  FIRST_NIGHT,
  jobOf,
  KEY,
  keyOf,
  newEncryptedRepository,
  newRepository,
  numberedBatch,
  readEverything,
  sourceOf,
} from '../helpers/backups.js'
import { FaultyStore, withFlippedBit } from '../helpers/faulty-store.js'

const source = sourceOf(
  collectionOf('large', [numberedBatch(2600, 256, 'l')]),
  collectionOf('small', [numberedBatch(40, 4, 's')]),
)

let store: FaultyStore
let repository: Repository
let head: BackupHead
let second: BackupHead
let original: ReadonlyMap<string, Uint8Array>

beforeAll(async () => {
  store = new FaultyStore()
  repository = await newEncryptedRepository(store)
  head = (await createBackup(jobOf(repository, source))).head
  const later = { now: () => new Date(FIRST_NIGHT.getTime() + 86_400_000) }
  second = (await createBackup(jobOf(repository, source, later))).head
  const copies = new Map<string, Uint8Array>()
  for (const key of await store.keys('')) copies.set(key, Uint8Array.from((await store.get(key)).bytes))
  original = copies
})

beforeEach(async () => {
  for (const key of await store.keys('')) if (!original.has(key)) await store.delete(key)
  for (const [key, bytes] of original) await store.put(key, bytes)
})

const bytesOf = (key: string) => original.get(key) ?? new Uint8Array()
const keysIn = (folder: string) => [...original.keys()].filter((key) => key.startsWith(folder)).sort()
const open = (key: RepositoryKey | null = KEY) => openRepository({ store, key: () => Promise.resolve(key) })

async function damageOf(id = head.id) {
  const entry = (await listBackups(repository)).find((each) => each.id === id)
  return entry?.damaged
}

async function problems() {
  const report = await verifyBackup({ repository, head, progress: silentProgress })
  return report.problems.map(({ code, message }) => ({ code, message }))
}

describe('what is stored', () => {
  test('gives back the records, and is not written a second time for an unchanged source', async () => {
    const plain = await newRepository()
    const plainHead = (await createBackup(jobOf(plain, source))).head
    expect(await readEverything(new BackupSource(repository, head))).toEqual(
      await readEverything(new BackupSource(plain, plainHead)),
    )
    expect(keysIn(`objects/${second.id}/`)).toEqual([])
  })

  test('differs each time, and so do the names of objects between repositories', async () => {
    const other = new FaultyStore()
    await createBackup(jobOf(await newEncryptedRepository(other), source))
    const ids = (keys: readonly string[]) => keys.map((key) => /([0-9a-f]{32})\./.exec(key)?.[1])
    const [ours, theirs] = [ids(keysIn('objects/')), ids(await other.keys('objects/'))]
    expect(ours.filter((id) => theirs.includes(id))).toEqual([])
    const sealed = () => encodeDocument(repository, 'status', 'a/b.json', { a: 1 })
    expect(sealed().equals(sealed())).toBe(false)
  })
})

describe('objects', () => {
  test('one flipped bit anywhere is found, and named', async () => {
    for (const key of keysIn('objects/')) {
      const bytes = Buffer.from(bytesOf(key))
      for (const at of [0, 5, 25, 40, 70, CIPHER_BYTES, bytes.length - 1]) {
        await store.put(key, withFlippedBit(bytes, at * 8))
        const [problem, ...others] = await problems()
        expect(others).toEqual([])
        expect(problem?.code).toBe(at === 5 ? 'OBJECT_FOREIGN' : 'OBJECT_ALTERED')
        expect(problem?.message).toContain(key)
      }
      await store.put(key, bytes)
    }
    expect(await problems()).toEqual([])
  })

  test('two that are swapped, and one of another repository, are told apart', async () => {
    // The largest: records, which no catalogue hides.
    const [one = '', other = ''] = keysIn('objects/').sort((a, b) => bytesOf(b).length - bytesOf(a).length)
    await store.put(one, bytesOf(other))
    await store.put(other, bytesOf(one))
    expect((await problems()).map(({ code }) => code)).toEqual(['OBJECT_SWAPPED', 'OBJECT_SWAPPED'])
    await store.put(other, bytesOf(other))
    const foreign = new FaultyStore()
    const theirs = await newEncryptedRepository(foreign)
    await createBackup(jobOf(theirs, source))
    const [key = ''] = await foreign.keys('objects/')
    await store.put(one, (await foreign.get(key)).bytes)
    expect(await problems()).toEqual([
      { code: 'OBJECT_FOREIGN', message: expect.stringContaining(`belongs to repository ${theirs.id}`) },
    ])
  })

  test('plaintext is not given unless all of it is authentic', async () => {
    const { cipher } = repository
    if (cipher === null) throw new Error('no cipher')
    for (const size of [10, 1_000_000]) {
      const plaintext = Buffer.alloc(size, 7)
      const name = cipher.contentId('ab'.repeat(32))
      const sealed = cipher.seal({ kind: 'object', name }, plaintext)
      expect(sealed).toHaveLength(size + CIPHER_BYTES)
      expect(cipher.open({ kind: 'object', name }, sealed)).toEqual({ plaintext })
      expect(cipher.open({ kind: 'manifest', name }, sealed)).toEqual({ fault: 'forged' })
      expect(cipher.open({ kind: 'object', name: '0'.repeat(32) }, sealed)).toEqual({
        fault: 'renamed',
      })
      for (const at of [21, 40, 75, 85, size + CIPHER_BYTES - 1]) {
        const { fault } = {
          fault: null,
          ...cipher.open({ kind: 'object', name }, withFlippedBit(sealed, at * 8)),
        }
        expect(fault).toBe('forged')
      }
      expect(cipher.open({ kind: 'object', name }, plaintext.subarray(0, 5))).toEqual({
        fault: 'cut off',
      })
      expect(cipher.open({ kind: 'object', name }, Buffer.alloc(200))).toEqual({
        fault: 'not encrypted',
      })
    }
  })
})

describe('documents', () => {
  test('one flipped bit, or a cut, anywhere in a manifest is found', async () => {
    const key = `backups/${head.id}.json`
    const bytes = Buffer.from(bytesOf(key))
    for (let at = 0; at < bytes.length; at += 7) {
      await store.put(key, withFlippedBit(bytes, at * 8 + (at % 8)))
      expect(await damageOf()).toMatchObject({ code: 'MANIFEST_DAMAGED', exitCode: 13 })
    }
    for (const length of [0, 1, 79, 200, bytes.length - 1]) {
      await store.put(key, bytes.subarray(0, length))
      expect(await damageOf()).toMatchObject({ code: 'MANIFEST_DAMAGED', exitCode: 13 })
    }
  })

  test.each([
    [
      'another manifest',
      () => Promise.resolve(bytesOf(`backups/${second.id}.json`)),
      'was written under another name',
    ],
    [
      'a manifest of another repository',
      async () => {
        const foreign = new FaultyStore()
        const made = await createBackup(jobOf(await newEncryptedRepository(foreign), source))
        return (await foreign.get(`backups/${made.head.id}.json`)).bytes
      },
      'belongs to repository',
    ],
    ['a plain manifest', () => Promise.resolve(sealJson({ ...head })), 'is not encrypted'],
    [
      'a manifest of somebody who has another key',
      () => {
        const cipher = new RepositoryCipher(passphraseKey('x'.repeat(32), 'test').secret, repository.id)
        return Promise.resolve(
          encodeDocument({ ...repository, cipher }, 'manifest', `backups/${head.id}.json`, head),
        )
      },
      'was not encrypted with the key of this repository',
    ],
    [
      'another kind of document',
      () => Promise.resolve(encodeDocument(repository, 'trash', `backups/${head.id}.json`, head)),
      'was not encrypted with the key of this repository, or for another purpose',
    ],
  ])('%s in place of a manifest is told for what it is', async (_what, bytes, message) => {
    await store.put(`backups/${head.id}.json`, await bytes())
    expect(await damageOf()).toMatchObject({ exitCode: 13, message: expect.stringContaining(message) })
  })

  test('encrypted ones in a plain repository are told as such', async () => {
    const plain = await newRepository()
    const bytes = encodeDocument(repository, 'hold', 'holds/a.json', { a: 1 })
    expect(() => decodeDocument(plain, 'hold', 'holds/a.json', bytes)).toThrow(
      'repo.json says that the repository is not',
    )
  })
})

describe('opening', () => {
  test('a wrong passphrase, a key file and no key at all are 14, and say how to give it', async () => {
    const wrong = passphraseKey('eight green bottles', '--passphrase-file')
    await expect(open(wrong)).rejects.toMatchObject({
      code: 'WRONG_KEY',
      exitCode: 14,
      message: expect.stringContaining('--passphrase-file does not open'),
      hint: expect.stringContaining('CHROMA_OPS_PASSPHRASE'),
    })
    await expect(open(null)).rejects.toMatchObject({ code: 'KEY_MISSING', exitCode: 14 })
    await expect(open(keyOf('another key'))).rejects.toMatchObject({ code: 'WRONG_KEY', exitCode: 14 })
  })

  test.each([
    [
      'without its key slots',
      (keys: readonly string[]) => Promise.all(keys.map((key) => store.delete(key))),
      'no key slot',
    ],
    [
      'with a damaged key slot',
      (keys: readonly string[]) =>
        Promise.all(keys.map((key) => store.put(key, withFlippedBit(Buffer.from(bytesOf(key)), 900)))),
      'checksum',
    ],
    [
      'with the key slots of another repository',
      async (keys: readonly string[]) => {
        const foreign = new FaultyStore()
        await newEncryptedRepository(foreign)
        for (const key of keys) await store.delete(key)
        for (const key of await foreign.keys('keys/')) await store.put(key, (await foreign.get(key)).bytes)
      },
      'belongs to repository',
    ],
  ])('a repository %s is 13', async (_what, change, message) => {
    await change(keysIn('keys/'))
    await expect(open()).rejects.toMatchObject({ exitCode: 13, message: expect.stringContaining(message) })
  })

  test('a repository that has keys but says it is plain is 13: nothing is written in the clear', async () => {
    const { bytes } = await (await newPlainStore()).get('repo.json')
    await store.put('repo.json', bytes)
    await expect(open()).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED', exitCode: 13 })
  })

  test('what the caller wants is checked first', async () => {
    const plain = await newPlainStore()
    const key = () => Promise.resolve(KEY)
    await expect(openRepository({ store: plain, key, mustBeEncrypted: 'the profile' })).rejects.toMatchObject(
      {
        code: 'REPOSITORY_NOT_ENCRYPTED',
        exitCode: 15,
      },
    )
    const mustBe = { id: '0'.repeat(32), because: 'the profile' }
    await expect(openRepository({ store, key, mustBe })).rejects.toMatchObject({
      code: 'REPOSITORY_OTHER',
      exitCode: 15,
    })
  })

  test('a lost repo.json is made anew by whoever has the key, with the same id', async () => {
    await store.delete('repo.json')
    const job = { store, now: FIRST_NIGHT }
    await expect(repairRepository(job)).rejects.toMatchObject({ exitCode: 14 })
    const { repository: repaired } = await repairRepository({
      ...job,
      key: () => Promise.resolve(KEY),
    })
    expect(repaired.id).toBe(repository.id)
    const [entry] = await listBackups(repaired)
    expect(entry).toMatchObject({ id: second.id, damaged: null })
  })
})

async function newPlainStore() {
  const plain = new MemoryStore()
  await newRepository(plain)
  return plain
}
