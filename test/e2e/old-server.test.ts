import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { startChroma, type TestChroma } from '../helpers/chroma-server.js'
import { describeOldServer } from '../helpers/old-server.js'
import { runJson } from '../helpers/outcomes.js'
import type { Seed } from '../helpers/record-source-conformance.js'
import { sampleBatch } from '../helpers/records.js'
import { backUp, expectEqual } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { dropCollections } from '../helpers/server-contents.js'
import { seedServer } from '../helpers/server-seeds.js'

const home = { tenant: 'default_tenant', database: 'default_database' } as const
const seeds: readonly Seed[] = [
  {
    ...home,
    name: 'docs',
    metadata: new Map<string, number | bigint>([
      ['n', 1n],
      ['f', 1],
    ]),
    space: 'l2',
    records: sampleBatch({ rows: 300, dimension: 8 }),
  },
  {
    ...home,
    name: 'cosine',
    metadata: null,
    space: 'cosine',
    records: sampleBatch({ rows: 100, dimension: 8 }),
  },
  { ...home, name: 'empty', metadata: null, space: 'ip', records: sampleBatch({ rows: 0, dimension: 0 }) },
]

describeOldServer('a backup that moves between versions', (binding) => {
  let folder: string
  let old: TestChroma
  let newest: TestChroma
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-versions-'))
    ;[old, newest] = await Promise.all([startChroma({ binding }), startChroma()])
  })
  afterAll(async () => {
    await Promise.all([old.stop(), newest.stop()])
    await rm(folder, { recursive: true })
  })

  test.each(['old to newest', 'newest to old'])('%s', async (way) => {
    const [from, to] = way.startsWith('old') ? [old, newest] : [newest, old]
    const repo = path.join(folder, way.replaceAll(' ', '-'))
    for (const { url } of [from, to]) await dropCollections(url)
    await withApi(from.url, (api) => seedServer(api, seeds))
    await backUp(from.url, repo)
    await expectEqual(from.url, repo)
    expect(await runJson(['restore', 'latest', '--repo', repo, '--url', to.url])).toMatchObject({
      equal: true,
      records: 400,
    })
    await expectEqual(to.url, repo)
  })
})
