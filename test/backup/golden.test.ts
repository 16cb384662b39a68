import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from '@jest/globals'

import { BackupSource } from '../../src/backup/backup-source.js'
import { listBackups } from '../../src/backup/list-backups.js'
import { parseKeyFile, passphraseKey, type RepositoryKey } from '../../src/backup/key-file.js'
import { openRepository } from '../../src/backup/repository.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import { silentProgress } from '../../src/core/progress.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { truthOf } from '../helpers/truth.js'

const golden = fileURLToPath(new URL('../golden', import.meta.url))

/** Repositories as earlier releases wrote them, with what each of their backups holds. They never change. */
describe.each(await placesOf('format-1'))('%s', (place) => {
  const folder = path.join(golden, place)

  test('lists, verifies and reads equal to the truth beside it', async () => {
    const store = new LocalStore(path.join(folder, 'repository'))
    const repository = await openRepository({ store, key: () => keyIn(folder, 'passphrase') })
    const truths = (await readdir(folder)).filter((name) => name.endsWith('.truth'))
    const entries = await listBackups(repository)
    expect(entries.map(({ id }) => `${id}.truth`).sort()).toEqual(truths.sort())
    expect(entries.length).toBeGreaterThan(0)
    for (const { id, head, damaged } of entries) {
      if (head === null) throw damaged
      const report = await verifyBackup({ repository, head, depth: 'records', progress: silentProgress })
      expect(report).toMatchObject({ status: 'ok', problems: [] })
      const truth = await readFile(path.join(folder, `${id}.truth`), 'utf8')
      expect(await truthOf(new BackupSource(repository, head))).toBe(truth)
    }
  })
})

test('the encrypted one opens with its key file too', async () => {
  const folder = path.join(golden, 'format-1', 'encrypted')
  const store = new LocalStore(path.join(folder, 'repository'))
  const repository = await openRepository({ store, key: () => keyIn(folder, 'key') })
  const [entry] = await listBackups(repository)
  expect(entry).toMatchObject({ damaged: null })
})

async function keyIn(folder: string, name: 'passphrase' | 'key'): Promise<RepositoryKey> {
  const text = await readFile(path.join(folder, name), 'utf8')
  return name === 'key' ? parseKeyFile(text, name) : passphraseKey(text, name)
}

async function placesOf(format: string): Promise<string[]> {
  const names = await readdir(path.join(golden, format))
  return names.map((name) => path.join(format, name)).sort()
}
