import { describe, expect, test } from '@jest/globals'

import { spaceOf } from '../../../src/chroma/space.js'
import { ExitCode } from '../../../src/core/exit-code.js'
import type { BackupBeforeChange } from '../../../src/migrations/backup-port.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migration, migrationsForSuite, type MigrationDatabase } from '../../helpers/migration-runs.js'
import { serverContents } from '../../helpers/server-contents.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

const several = migration('00001', {
  async up(m) {
    await m
      .collection('docs')
      .transform((record) => ({ ...record, document: `${record.document ?? ''}!` }))
      .changeSpace('cosine')
    await m.collection('docs').setMetadata((previous) => ({ ...previous, owner: 'search' }))
    await m.collection('docs').rename('pages')
    await m.collection('extra').create({ space: 'ip' })
    await m.collection('old').drop()
  },
})

describe('down', () => {
  test('undoes what up did, in reverse; up again gives the same as the first time', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    await database.fill('old', 2)
    const before = [await database.texts('docs'), await database.texts('old')]
    await database.up([several], { allowDestructive: true })
    const applied = await database.texts('pages')

    const reverted = await database.down([several])
    expect(reverted.error).toBeNull()
    expect(reverted).toMatchObject({ from: '00001', to: null })
    expect([await database.texts('docs'), await database.texts('old')]).toEqual(before)
    const docs = await database.find('docs')
    expect(docs && spaceOf(docs)).toBe('l2')
    expect(docs?.metadata).toBeNull()
    expect(await database.find('pages')).toBeUndefined()
    expect(await database.find('extra')).toBeUndefined()
    expect(await database.states([several])).toEqual(['00001 reverted'])

    await database.up([several], { allowDestructive: true })
    expect(await database.texts('pages')).toEqual(applied)
    expect((await database.status([several])).findings).toEqual([])
  })

  test('the migration may know its own way back', async () => {
    const database = await openDatabase()
    const own = migration('00001', {
      up: (m) => m.collection('one').create(),
      down: async (m) => {
        await m.collection('one').rename('retired')
      },
    })
    await database.up([own])
    await database.down([own])
    expect(await database.names()).toEqual(['retired'])
  })

  test('the down of a step of its own is called', async () => {
    const database = await openDatabase()
    const calls: string[] = []
    const code = migration('00001', {
      up: (m) =>
        m.step('mark', () => void calls.push('up'), {
          down: () => void calls.push('down'),
        }),
    })
    await database.up([code])
    await database.down([code])
    expect(calls).toEqual(['up', 'down'])
  })

  test('a step without a way back is refused, and the state stays', async () => {
    const database = await openDatabase()
    const opaque = migration('00001', { up: (m) => m.step('notify', () => {}) })
    await database.up([opaque], { skipBackup: true })
    await expect(database.down([opaque])).rejects.toMatchObject({
      code: 'IRREVERSIBLE',
      exitCode: ExitCode.refused,
      message: 'step 1 of 00001_test ("step "notify"") cannot be undone',
    })
    expect(await database.states([opaque])).toEqual(['00001 applied'])

    const declared = await openDatabase()
    const never = migration('00001', {
      irreversible: 'mails are out',
      up: (m) => m.collection('one').create(),
    })
    await declared.up([never])
    await expect(declared.down([never])).rejects.toMatchObject({
      message: '00001_test is irreversible: mails are out',
    })
  })

  test('records written since, whose vectors do not fit the old collection, are counted and refused', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    const cut = migration('00001', { up: async (m) => m.collection('docs').changeDimension(2) })
    await database.up([cut])
    const live = await database.find('docs')
    if (live === undefined) throw new Error('docs is gone')
    await api().add(live, {
      ids: ['new-1', 'new-2'],
      dimension: 2,
      embeddings: Float32Array.from([1, 0, 0, 1]),
      missingEmbeddings: [],
      documents: ['a', 'b'],
      uris: [null, null],
      metadatas: [null, null],
    })
    await expect(database.down([cut])).rejects.toMatchObject({
      code: 'DATA_LOSS',
      message: expect.stringContaining('2 records of docs were written since 00001_test was applied'),
    })
    expect(await database.find('docs')).toMatchObject({ id: live.id })
    const reverted = await database.down([cut], { acceptDataLoss: true })
    expect(reverted.error).toBeNull()
    expect(await database.texts('docs')).toHaveLength(5)
  })

  test('so are records that were only deleted since: nothing has begun', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    const cut = migration('00001', { up: async (m) => m.collection('docs').changeDimension(2) })
    await database.up([cut])
    const live = await database.find('docs')
    if (live === undefined) throw new Error('docs is gone')
    await api().deleteRecords(live, ['docs-1'])
    await expect(database.down([cut])).rejects.toMatchObject({ code: 'DATA_LOSS' })
    expect(await database.states([cut])).toEqual(['00001 applied'])
  })

  test('somebody has deleted the new collection: the old one gets its name, unless another has it', async () => {
    const database = await openDatabase()
    const { id } = await database.fill('docs')
    const cosine = migration('00001', { up: async (m) => m.collection('docs').changeSpace('cosine') })
    await database.up([cosine])
    const remove = async () => {
      const live = await database.find('docs')
      if (live === undefined) throw new Error('docs is gone')
      await api().deleteCollection(live)
    }
    await remove()
    await database.fill('docs', 0)
    await expect(database.down([cosine])).rejects.toMatchObject({
      code: 'IRREVERSIBLE',
      message: expect.stringContaining('somebody has deleted the new docs and made another one'),
    })
    expect(await database.states([cosine])).toEqual(['00001 applied'])
    await remove()
    const { error, migrations } = await database.down([cosine])
    expect(error).toBeNull()
    expect(migrations[0]?.steps[0]?.notes).toEqual([expect.stringContaining('somebody has deleted docs')])
    expect(await database.find('docs')).toMatchObject({ id })
    expect(await database.names()).toEqual(['docs'])
  })

  test('records written since are carried back where vectors are what they were', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    const shout = migration('00001', {
      up: async (m) => m.collection('docs').transform((record) => ({ ...record, document: 'loud' })),
    })
    await database.up([shout])
    const live = await database.find('docs')
    if (live !== undefined) await database.add(live, 'late-', 2)
    await database.down([shout])
    expect(await database.texts('docs')).toEqual([
      ...[0, 1, 2, 3, 4].map((at) => `docs-${at} text ${at}`),
      'late-0 text 0',
      'late-1 text 1',
    ])
  })

  test('a database that is stamped as production asks twice', async () => {
    const database = await openDatabase()
    const one = migration('00001', { up: (m) => m.collection('one').create() })
    await database.up([one], { environment: 'production' })
    for (const action of [() => database.down([one]), () => database.redo([one])])
      await expect(action()).rejects.toMatchObject({
        code: 'PRODUCTION',
        hint: expect.stringContaining('--yes-production'),
      })
    expect((await database.down([one], { allowProduction: true })).error).toBeNull()
  })

  test('a dry run says what would be undone and changes nothing', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    await database.fill('old', 2)
    await database.up([several], { allowDestructive: true })
    const before = await serverContents(chroma().url, [database.tenant], database.database)
    const { migrations, to } = await database.down([several], { dryRun: true })
    expect(migrations[0]?.steps.map(({ title }) => title)).toEqual([
      'undo old drop',
      'undo extra create',
      'undo docs rename → pages',
      'undo docs setMetadata',
      'undo docs copyAndSwap',
    ])
    expect(to).toBeNull()
    expect(await serverContents(chroma().url, [database.tenant], database.database)).toEqual(before)
  })

  test('redo reverts and applies the newest ones again', async () => {
    const database = await openDatabase()
    const one = migration('00001', { up: (m) => m.collection('one').create() })
    const two = migration('00002', { up: (m) => m.collection('two').create() })
    await database.up([one, two])
    const first = await database.find('one')
    const dry = await database.redo([one, two], { count: 2, dryRun: true })
    expect(
      dry.migrations.map(({ version, direction, status }) => `${version} ${direction} ${status}`),
    ).toEqual(['00002 down planned', '00001 down planned', '00001 up planned', '00002 up planned'])
    expect([dry.from, dry.to]).toEqual(['00002', '00002'])
    const result = await database.redo([one, two], { count: 1 })
    expect(result.migrations.map(({ version, direction }) => [version, direction])).toEqual([
      ['00002', 'down'],
      ['00002', 'up'],
    ])
    expect(await database.find('one')).toMatchObject({ id: first?.id })
    expect(await database.names()).toEqual(['one', 'two'])
  })
})

/** Backups as copies in the same database: enough to see when they are asked for, and what comes back. */
function backupsIn(database: MigrationDatabase, made: string[]): BackupBeforeChange {
  const place = { tenant: database.tenant, database: database.database }
  const copyOf = (name: string) => `saved-${name}`
  const copy = async (from: string, to: string) => {
    const source = await api().getCollection({ ...place, name: from })
    const target = await api().createCollection({ ...source, name: to, schema: null })
    const include = ['embeddings', 'documents', 'metadatas', 'uris'] as const
    const batch = await api().get(source, { include })
    if (batch.ids.length > 0) await api().add(target, batch)
  }
  return {
    check: async () => {},
    async create(collections) {
      for (const { name } of collections) {
        made.push(name)
        await copy(name, copyOf(name))
      }
      return { repository: 'here', id: 'backup-1' }
    },
    async restore(_reference, { name }) {
      const old = await api().findCollection({ ...place, name })
      if (old !== undefined) await api().updateCollection(old, { newName: `${name}.replaced-1` })
      await copy(copyOf(name), name)
    },
  }
}

describe('a backup before what cannot be undone', () => {
  const inPlace = migration('00001', {
    async up(m) {
      await m.collection('other').rename('renamed')
      await m
        .collection('docs')
        .transform((record) => ({ ...record, document: 'overwritten' }), { inPlace: true })
      await m.collection('docs').rename('pages')
    },
  })

  test('is made of the touched collections, before the first such write, and is in the state', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    await database.fill('other', 1)
    await database.fill('untouched', 1)
    const made: string[] = []
    const result = await database.up([inPlace], { backup: backupsIn(database, made) })
    expect(result.error).toBeNull()
    expect(made).toEqual(['docs'])
    expect(result.migrations[0]?.backup).toEqual({
      repository: 'here',
      id: 'backup-1',
      collections: ['docs'],
      beforeStep: 2,
    })
    expect(await database.texts('saved-docs')).toContain('docs-0 text 0')

    await expect(database.down([inPlace])).rejects.toMatchObject({
      code: 'IRREVERSIBLE',
      hint: expect.stringContaining('chroma-ops migrate down --restore'),
    })
    const restored = await database.down([inPlace], { restore: true, backup: backupsIn(database, made) })
    expect(restored.error).toBeNull()
    expect(await database.texts('docs')).toContain('docs-0 text 0')
    expect(await database.texts('other')).toHaveLength(1)
    expect(await database.states([inPlace])).toEqual(['00001 reverted'])
  })

  test('what the backup has brought back is no drift, and none when it is applied again', async () => {
    const database = await openDatabase()
    const { id } = await database.fill('docs')
    const both = [
      migration('00001', { up: (m) => m.collection('docs').setMetadata({ a: 1 }) }),
      migration('00002', { up: (m) => m.step('any', () => undefined) }),
    ]
    const backup = backupsIn(database, [])
    expect((await database.up(both, { backup })).error).toBeNull()
    await expect(database.down(both, { restore: true })).rejects.toMatchObject({
      code: 'BACKUP_NEEDED',
      hint: '"chroma-ops migrate down --restore --repo here"',
    })
    expect((await database.down(both, { restore: true, backup })).error).toBeNull()
    expect((await database.find('docs'))?.id).not.toBe(id)
    expect((await database.status(both)).findings).toEqual([])
    expect((await database.up(both, { skipBackup: true, allowDestructive: true })).error).toBeNull()
    expect((await database.status(both)).findings).toEqual([])
  })

  test('without a repository nothing begins; the operator may answer for it', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    await database.fill('other', 1)
    await expect(database.up([inPlace])).rejects.toMatchObject({
      code: 'BACKUP_NEEDED',
      exitCode: ExitCode.refused,
      hint: expect.stringContaining('--repo'),
    })
    expect(await database.names()).toEqual(['docs', 'other'])
    await expect(database.up([inPlace], { skipBackup: true })).rejects.toMatchObject({ code: 'DESTRUCTIVE' })
    const result = await database.up([inPlace], { skipBackup: true, allowDestructive: true })
    expect(result.error).toBeNull()
    expect(await database.names()).toEqual(['pages', 'renamed'])
  })

  test('a repository that cannot be written to is told before the first write; one that fails, before the loss', async () => {
    const database = await openDatabase()
    const { id } = await database.fill('docs')
    await database.fill('other', 1)
    const full = { ...backupsIn(database, []), check: () => Promise.reject(new Error('disk full')) }
    await expect(database.up([inPlace], { backup: full })).rejects.toThrow('disk full')
    expect(await database.names()).toEqual(['docs', 'other'])
    expect(await database.states([inPlace])).toEqual(['00001 pending'])

    const failing = { ...backupsIn(database, []), create: () => Promise.reject(new Error('disk full')) }
    const result = await database.up([inPlace], { backup: failing })
    expect(result.error?.message).toContain('disk full')
    expect(await database.find('docs')).toMatchObject({ id })
    expect(await database.texts('docs')).toContain('docs-0 text 0')
  })
})
