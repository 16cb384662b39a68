import { tmpdir } from 'node:os'

import { expect, test } from '@jest/globals'

import { BackupSource } from '../../src/backup/backup-source.js'
import { createBackup } from '../../src/backup/create-backup.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import type { ChromaApi } from '../../src/chroma/api.js'
import { ServerSource } from '../../src/chroma/server-source.js'
import { silentProgress } from '../../src/core/progress.js'
import { jobOf, newRepository, readEverything, recordedProgress } from '../helpers/backups.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { loseVectors, SYNC_THRESHOLD } from '../helpers/lose-vectors.js'
import { withApi } from '../helpers/restores.js'
import { simpleCollection } from '../helpers/simple-collection.js'

const chroma = chromaForSuite()

function sourceOf(api: ChromaApi): ServerSource {
  return new ServerSource({ api, scope: { tenants: ['default_tenant'] }, tempDir: tmpdir() })
}

test('a server is backed up as it is; lost vectors make that collection incomplete and the backup partial', async () => {
  const repository = await newRepository()
  const damaged = await withApi(chroma().url, async (api) => {
    const collection = await simpleCollection(api, 'damaged', SYNC_THRESHOLD + 200)
    await simpleCollection(api, 'empty', 0)
    await simpleCollection(api, 'whole', 300)
    const { head, exitCode } = await createBackup(jobOf(repository, sourceOf(api)))
    expect(exitCode).toBe(0)
    expect(head).toMatchObject({
      status: 'complete',
      counts: { collections: 3, records: SYNC_THRESHOLD + 500 },
    })
    expect(await readEverything(new BackupSource(repository, head))).toEqual(
      await readEverything(sourceOf(api)),
    )
    return collection
  })

  await loseVectors(chroma(), damaged)

  await withApi(chroma().url, async (api) => {
    const progress = recordedProgress()
    const { head, collections, exitCode } = await createBackup(jobOf(repository, sourceOf(api), { progress }))
    expect(exitCode).toBe(4)
    expect(head.status).toBe('partial')
    expect(head.counts.records).toBe(SYNC_THRESHOLD + 500)
    expect(head.counts.missingVectors).toBeGreaterThanOrEqual(SYNC_THRESHOLD)
    expect(collections.map(({ name, status }) => [name, status])).toEqual([
      ['damaged', 'incomplete'],
      ['empty', 'complete'],
      ['whole', 'complete'],
    ])
    expect(progress.warnings).toContainEqual(
      expect.objectContaining({ code: 'VECTORS_LOST', message: expect.stringContaining('damaged') }),
    )
    const report = await verifyBackup({ repository, head, depth: 'records', progress: silentProgress })
    expect(report.problems).toEqual([])
  })
})
