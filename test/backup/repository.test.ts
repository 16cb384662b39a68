import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { describe, expect, test } from '@jest/globals'

import { initRepository, openRepository, repairRepository } from '../../src/backup/repository.js'
import { sealJson } from '../../src/backup/sealed-json.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { FIRST_NIGHT } from '../helpers/backups.js'

describe('a repository', () => {
  test('is created once; again is harmless and gives the same one', async () => {
    const store = new MemoryStore()
    const first = await initRepository({ store, now: FIRST_NIGHT })
    const second = await initRepository({ store, now: new Date() })
    expect(first).toMatchObject({ created: true, repository: { created: '2026-11-20T02:00:00.000Z' } })
    expect(second).toEqual({ created: false, repository: first.repository })
    expect(await openRepository({ store })).toEqual(first.repository)
  })

  test('created by several at once is one', async () => {
    const store = new MemoryStore()
    const all = await Promise.all(
      Array.from({ length: 20 }, () => initRepository({ store, now: FIRST_NIGHT })),
    )
    expect(new Set(all.map(({ repository }) => repository.id)).size).toBe(1)
    expect(all.filter(({ created }) => created)).toHaveLength(1)
  })

  test('that is not there is 10, never a new one', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-'))
    try {
      for (const store of [
        new LocalStore(path.join(folder, 'typo')),
        new LocalStore(folder),
        new MemoryStore(),
      ]) {
        await expect(openRepository({ store })).rejects.toMatchObject({
          code: 'REPOSITORY_NOT_FOUND',
          exitCode: 10,
          message: `no repository at ${store.displayUrl}`,
          hint: expect.stringContaining('repo init'),
        })
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('whose repo.json is gone while backups are there is not created anew', async () => {
    const store = new MemoryStore()
    await store.put('backups/20261120T020000Z-docs-7f3k.json', Buffer.from('{}'))
    await expect(initRepository({ store, now: FIRST_NIGHT })).rejects.toMatchObject({
      code: 'REPOSITORY_DAMAGED',
      exitCode: 13,
    })
    await expect(store.stat('repo.json')).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
  })

  test('whose repo.json is altered or gone can be given a new one; its backups stay', async () => {
    for (const bytes of [Buffer.from('{"format":1'), null]) {
      const store = new MemoryStore()
      await store.put('backups/20261120T020000Z-docs-7f3k.json', Buffer.from('{}'))
      if (bytes !== null) await store.put('repo.json', bytes)
      await expect(openRepository({ store })).rejects.toMatchObject({
        exitCode: 13,
        hint: expect.stringContaining('repo init --repair'),
      })
      const { repository, created } = await repairRepository({ store, now: FIRST_NIGHT })
      expect(created).toBe(true)
      expect(await openRepository({ store })).toEqual(repository)
      expect(await repairRepository({ store, now: FIRST_NIGHT })).toEqual({ created: false, repository })
      expect(await store.stat('backups/20261120T020000Z-docs-7f3k.json')).toMatchObject({ size: 2 })
    }
  })

  test('with keys is not given a new repo.json, which would not say what they are for', async () => {
    const store = new MemoryStore()
    await store.put('keys/a.json', Buffer.from('{}'))
    await expect(repairRepository({ store, now: FIRST_NIGHT })).rejects.toMatchObject({ exitCode: 13 })
    await expect(store.stat('repo.json')).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
  })

  test.each([
    [{ format: 2, id: '0'.repeat(32), created: '', requires: [] }, 'format 2'],
    [{ format: 1, id: '0'.repeat(32), created: '', requires: ['tape'] }, 'tape'],
  ])('that needs a newer version is refused with 16', async (document, reason) => {
    const store = new MemoryStore()
    await store.put('repo.json', sealJson(document))
    await expect(openRepository({ store })).rejects.toMatchObject({
      code: 'REPOSITORY_UNSUPPORTED',
      exitCode: 16,
      message: expect.stringContaining(reason),
    })
  })
})
