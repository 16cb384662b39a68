import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { expect, test } from '@jest/globals'

import { inspectFolder } from '../../../src/datadir/inspect-folder.js'
import { folderObservations } from '../../../src/health/offline/check-folder.js'

const LINKED = '0b6c1ab6-9fd9-4d6b-8a8e-6d2f7e9a0f11'
const STRANGE = '1c7d2bc7-0aea-4e7c-9b9f-7e308fab1022'

test('a link to the folder of an index is no foreign file: the server follows it', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'chroma-ops-linked-'))
  try {
    const data = path.join(directory, 'data')
    await mkdir(data)
    for (const name of [LINKED, STRANGE]) {
      await mkdir(path.join(directory, name))
      await symlink(path.join(directory, name), path.join(data, name))
    }
    const segment = { id: LINKED, type: 'hnsw', scope: 'VECTOR', collectionId: 'c' } as const
    expect(folderObservations(await inspectFolder(data), [segment], 'ready')).toEqual([
      { id: 'FOREIGN_FILES', evidence: `"${STRANGE}"` },
    ])
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
