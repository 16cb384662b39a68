import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { openArchive } from '../../../src/backup/archive/open-archive.js'
import { BackupSource } from '../../../src/backup/backup-source.js'
import { readCollectionsFile } from '../../../src/backup/files/collections-file.js'
import { exportRecords } from '../../../src/backup/files/export-records.js'
import { FileSource } from '../../../src/backup/files/file-source.js'
import { passphraseKey } from '../../../src/backup/key-file.js'
import { listBackups } from '../../../src/backup/list-backups.js'
import { openRepository } from '../../../src/backup/repository.js'
import { silentProgress } from '../../../src/core/progress.js'
import { LocalStore } from '../../../src/storage/local-store.js'
import { archiveBytes } from '../../helpers/archives.js'
import { truthOf } from '../../helpers/truth.js'

const golden = fileURLToPath(new URL('../../golden', import.meta.url))
const repositories = path.join(golden, 'format-1')
const archives = path.join(golden, 'archives')

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-golden-archives-'))
})

afterAll(() => rm(folder, { recursive: true }))

async function keyOf(name: string) {
  const text = await readFile(path.join(repositories, name, 'passphrase'), 'utf8').catch(() => null)
  return text === null ? null : passphraseKey(text, 'passphrase')
}

/** Archives as earlier releases wrote them: they never change, and are written in the same way for ever. */
test.each(['layers', 'encrypted'])(
  '%s.tar is read as it was written, and written as it was',
  async (name) => {
    const file = path.join(archives, `${name}.tar`)
    const { store, backup } = await openArchive({
      from: file,
      identities: [],
      tempDir: () => Promise.reject(new Error('not needed')),
    })
    const key = () => keyOf(name)
    const inside = await openRepository({ store, key })
    const [entry] = await listBackups(inside)
    if (entry?.head == null) throw new Error('no backup')
    const truth = await readFile(path.join(repositories, name, `${backup}.truth`), 'utf8')
    expect(await truthOf(new BackupSource(inside, entry.head))).toBe(truth)
    const place = path.join(repositories, name, 'repository')
    const repository = await openRepository({ store: new LocalStore(place), key })
    const head = (await listBackups(repository)).find(({ id }) => id === backup)?.head
    if (head == null) throw new Error('not in the repository')
    expect((await archiveBytes({ repository, head })).equals(await readFile(file))).toBe(true)
    await store.close()
  },
)

const rules = { allowMissingVectors: true, allowNonFinite: true }

test.each(['jsonl', 'parquet'] as const)('records in %s are read as they were written', async (format) => {
  const place = path.join(archives, `plain-${format}`)
  const source = new FileSource(place, await readCollectionsFile(place), rules)
  const plain = path.join(repositories, 'plain')
  const [truth = ''] = (await readdir(plain)).filter((name) => name.endsWith('.truth'))
  expect(await truthOf(source)).toBe(await readFile(path.join(plain, truth), 'utf8'))
  if (format === 'parquet') return
  const backup = truth.replace('.truth', '')
  await exportRecords({ source, backup, format, folder, replace: false, progress: silentProgress })
  for (const name of await readdir(place))
    expect(await readFile(path.join(folder, name), 'utf8')).toBe(
      await readFile(path.join(place, name), 'utf8'),
    )
})
