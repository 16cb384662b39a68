import { describe, expect, test } from '@jest/globals'

import { restoreBackup } from '../../src/backup/restore-backup.js'
import type { RestoreJob } from '../../src/backup/restore-job.js'
import type { ChromaApi } from '../../src/chroma/api.js'
import { ServerCollectionWriter } from '../../src/chroma/server-sink.js'
import { sliceRows } from '../../src/core/batch-rows.js'
import type { ProgressEvent } from '../../src/core/progress.js'
import type { CollectionDefinition } from '../../src/core/records.js'
import { collectionOf, numberedBatch } from '../helpers/backups.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { startFaultProxy, type ProxiedRequest } from '../helpers/fault-proxy.js'
import { batchOf } from '../helpers/memory-source.js'
import {
  backupOf,
  collectionsOf,
  freshDatabase,
  restoreJob,
  withApi,
  type TestBackup,
} from '../helpers/restores.js'

const chroma = chromaForSuite()
const DIMENSION = 4
const RECORDS = 100
/** So many of them are there when the next run begins. */
const WRITTEN = 40
const docs = collectionOf('docs', [numberedBatch(RECORDS, DIMENSION)])

test('what an interrupted run has written is continued', async () => {
  await interrupted(async ({ job }) => {
    const summary = await restoreBackup(job)
    expect(summary).toMatchObject({ equal: true, records: RECORDS, written: RECORDS - WRITTEN })
  })
})

test('while it is being built, nobody sees it under its own name', async () => {
  await interrupted(async ({ api, database }) => {
    expect([...(await collectionsOf(api, database)).keys()]).toEqual([
      expect.stringMatching(/^docs\.restore-\w{8}$/),
    ])
  })
})

describe('what is no beginning of the backup is dropped and built anew', () => {
  test.each<[string, (api: ChromaApi, shadow: CollectionDefinition) => Promise<void>]>([
    ['a hole', (api, shadow) => api.deleteRecords(shadow, ['r5'])],
    ['a foreign record at the end', (api, shadow) => add(api, shadow, 'foreign')],
    [
      'more records than the backup has',
      async (api, shadow) => {
        await new ServerCollectionWriter(api, shadow).write(numberedBatch(RECORDS, DIMENSION))
        await add(api, shadow, 'one too many')
      },
    ],
    [
      'another value of the same id, found by the comparison',
      async (api, shadow) => {
        const batch = numberedBatch(RECORDS, DIMENSION)
        await api.upsert(shadow, { ...sliceRows(batch, 1, 2), documents: ['changed'] })
      },
    ],
    [
      'another content',
      (api, shadow) =>
        api.updateCollection(shadow, { newMetadata: withKey(shadow, 'chroma-ops:content', 'x') }),
    ],
    [
      'not marked yet, nothing written',
      async (api, shadow) => {
        await api.deleteCollection(shadow)
        await api.createCollection({ ...shadow, metadata: null, schema: null, configuration: null })
      },
    ],
  ])('%s', async (_, spoil) => {
    await interrupted(async ({ api, database, job, shadow }) => {
      await spoil(api, shadow)
      expect(await restoreBackup(job)).toMatchObject({ equal: true, records: RECORDS, written: RECORDS })
      expect([...(await collectionsOf(api, database)).keys()]).toEqual(['docs'])
    })
  })
})

test('a collection of somebody else under the temporary name is refused and left alone', async () => {
  await interrupted(async ({ api, database, job, shadow }) => {
    await api.updateCollection(shadow, { newMetadata: new Map([['mine', true]]) })
    await expect(restoreBackup(job)).rejects.toMatchObject({ code: 'RESTORE_NAME_TAKEN', exitCode: 15 })
    expect((await collectionsOf(api, database)).get(shadow.name)?.metadata).toEqual(new Map([['mine', true]]))
  })
})

test('somebody takes the name while the restore is running: refused, theirs stays', async () => {
  await interrupted(async ({ api, database, job }) => {
    const taking = async () => {
      await api.createCollection({
        tenant: 'default_tenant',
        database,
        name: 'docs',
        metadata: new Map([['theirs', true]]),
        schema: null,
        configuration: null,
      })
    }
    let taken: Promise<void> | undefined
    // Right before the restored collection would get its name.
    const decide = async ({ method }: ProxiedRequest): Promise<undefined> => {
      if (method === 'PUT') await (taken ??= taking())
    }
    const proxy = await startFaultProxy({ target: chroma().url, decide })
    try {
      await withApi(proxy.url, (proxied) =>
        expect(restoreBackup({ ...job, api: proxied })).rejects.toMatchObject({
          code: 'RESTORE_TARGET_EXISTS',
        }),
      )
    } finally {
      await proxy.close()
    }
    expect(taken).toBeDefined()
    expect((await collectionsOf(api, database)).get('docs')?.metadata).toEqual(new Map([['theirs', true]]))
  })
})

test('another backup is not a continuation', async () => {
  await interrupted(async ({ api, database, shadow }) => {
    const other = await backupOf([docs])
    const summary = await restoreBackup(restoreJob(other, api, { targetDatabase: database }))
    expect(summary.written).toBe(RECORDS)
    expect([...(await collectionsOf(api, database)).keys()].sort()).toEqual(['docs', shadow.name])
  })
})

interface Interrupted {
  readonly api: ChromaApi
  readonly database: string
  readonly backup: TestBackup
  readonly job: RestoreJob
  readonly shadow: CollectionDefinition
}

/** A restore that was stopped when it had written its first records. */
async function interrupted(work: (state: Interrupted) => Promise<void>): Promise<void> {
  const backup = await backupOf([docs])
  await withApi(chroma().url, async (api) => {
    const database = await freshDatabase(api)
    const job = restoreJob(backup, api, { targetDatabase: database })
    const stop = new AbortController()
    const update = ({ phase }: ProgressEvent) => {
      if (phase === 'compare') stop.abort()
    }
    await expect(
      restoreBackup({ ...job, signal: stop.signal, progress: { update, warn: () => {} } }),
    ).rejects.toMatchObject({ code: 'ABORTED', exitCode: 130 })
    const [shadow] = (await collectionsOf(api, database)).values()
    if (shadow === undefined) throw new Error('nothing was begun')
    await api.deleteRecords(shadow, numberedBatch(RECORDS).ids.slice(WRITTEN))
    await work({ api, database, backup, job, shadow })
  })
}

async function add(api: ChromaApi, collection: CollectionDefinition, id: string): Promise<void> {
  await new ServerCollectionWriter(api, collection).write(
    batchOf([{ id, embedding: new Array<number>(DIMENSION).fill(1) }]),
  )
}

function withKey({ metadata }: CollectionDefinition, key: string, value: string) {
  return new Map([...(metadata ?? []), [key, value] as const])
}
