import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { expect, test } from '@jest/globals'

import { silentProgress } from '../../src/core/progress.js'
import { openDataDirectory } from '../../src/datadir/data-directory.js'
import { eraseFromDirectory } from '../../src/datadir/erase-directory.js'
import { rebuildIndex } from '../../src/transfer/rebuild-index.js'
import { newCollection } from '../helpers/api-for-suite.js'
import { startChroma, testCacheDir } from '../helpers/chroma-server.js'
import { describeOldServer } from '../helpers/old-server.js'
import { withApi } from '../helpers/restores.js'
import { simpleRecords } from '../helpers/simple-collection.js'

describeOldServer('a directory that was changed', (binding) => {
  /** How many records of each collection come with their vectors, after some more were added. */
  async function countsAfterAdding(directory: string, first: number): Promise<readonly number[]> {
    const chroma = await startChroma({ directory, binding })
    const counts: number[] = []
    await withApi(chroma.url, async (api) => {
      for (const name of ['tail', 'docs']) {
        const collection = await api.getCollection({
          tenant: 'default_tenant',
          database: 'default_database',
          name,
        })
        await api.add(collection, simpleRecords(first, 1))
        await api.add(collection, simpleRecords(first + 1, 149))
        const batch = await api.get(collection, { include: ['embeddings'] })
        counts.push(batch.ids.length - batch.missingEmbeddings.length)
        const vector = new Float32Array([7, 1, 0])
        const [hit] = await api.query(collection, { vector, limit: 1, withVectors: false })
        expect(hit?.id).toBe('id7')
      }
    })
    await chroma.halt()
    return counts
  }

  test('is one for the server that made it: after erasing, and with another index', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-old-changes-'))
    const directory = path.join(folder, 'data')
    try {
      const chroma = await startChroma({ directory, binding })
      await withApi(chroma.url, async (api) => {
        const docs = await newCollection(api, { name: 'docs', hnsw: { space: 'l2', sync_threshold: 100 } })
        for (let first = 0; first < 350; first += 50) await api.add(docs, simpleRecords(first, 50))
        await api.add(await newCollection(api, { name: 'tail' }), simpleRecords(0, 20))
      })
      await chroma.halt()
      const doomed = new Map([
        ['docs', new Set(['id5', 'id349'])],
        ['tail', new Set(['id19'])],
      ])
      const { proof } = await eraseFromDirectory({
        directory,
        idsIn: ({ name }) => doomed.get(name) ?? new Set(),
        serverStopped: true,
      })
      expect(proof.clean).toBe(true)
      expect(await countsAfterAdding(directory, 1_000)).toEqual([19 + 150, 348 + 150])
      const data = await openDataDirectory(directory)
      const collection = data.collections().find(({ name }) => name === 'docs')
      data.close()
      if (collection === undefined) throw new Error('no docs')
      await rebuildIndex({
        directory,
        collection,
        changes: { maxNeighbours: 24 },
        allowPartial: false,
        progress: silentProgress,
        cacheDir: testCacheDir,
        serverStopped: true,
      })
      expect(await countsAfterAdding(directory, 2_000)).toEqual([19 + 300, 348 + 300])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
