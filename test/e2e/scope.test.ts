import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'

import { displayName, type RecordBatch } from '../../src/core/records.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { runJson } from '../helpers/outcomes.js'
import type { Seed } from '../helpers/record-source-conformance.js'
import { sampleBatch } from '../helpers/records.js'
import { backUp } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { dropCollections, expectSameContents, serverContents } from '../helpers/server-contents.js'
import { seedServer } from '../helpers/server-seeds.js'

/** `npm run test:soak` takes 150. */
const COLLECTIONS = Number(process.env['CHROMA_OPS_TEST_COLLECTIONS'] ?? 20)

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database' } as const
let folder: string
let repo: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-scope-'))
})

afterAll(() => rm(folder, { recursive: true }))

let repos = 0
beforeEach(async () => {
  repo = path.join(folder, `backups-${++repos}`)
  await dropCollections(chroma().url)
})

const restoreArgs = () => ['restore', 'latest', '--repo', repo, '--url', chroma().url]

test(`${COLLECTIONS} collections, empty ones among them, come back; the next backup stores none of them again`, async () => {
  const seeds = Array.from({ length: COLLECTIONS }, (_, number): Seed => {
    const rows = number % 4
    return {
      ...home,
      name: `many-${String(number).padStart(3, '0')}`,
      metadata: number % 3 === 0 ? new Map([['number', BigInt(number)]]) : null,
      space: 'l2',
      records: sampleBatch({ rows, dimension: rows === 0 ? 0 : 3, first: number * 10 }),
    }
  })
  await withApi(chroma().url, (api) => seedServer(api, seeds))
  const before = await serverContents(chroma().url)
  expect(before.size).toBe(COLLECTIONS)
  await backUp(chroma().url, repo)
  const again = await runJson(['backup', '--url', chroma().url, '--repo', repo])
  expect(again).toMatchObject({ unchangedCollections: COLLECTIONS })
  await dropCollections(chroma().url)
  const records = seeds.reduce((sum, seed) => sum + seed.records.ids.length, 0)
  expect(await runJson(restoreArgs())).toMatchObject({ equal: true, records })
  expectSameContents(await serverContents(chroma().url), before)
})

test('more records than SQLite takes variables come back, in order', async () => {
  const rows = 33_000
  const records = bare(sampleBatch({ rows, dimension: 2 }))
  await withApi(chroma().url, (api) =>
    seedServer(api, [{ ...home, name: 'large', metadata: null, space: 'l2', records }]),
  )
  const before = await serverContents(chroma().url)
  await backUp(chroma().url, repo)
  await dropCollections(chroma().url)
  expect(await runJson(restoreArgs())).toMatchObject({ equal: true, records: rows })
  expectSameContents(await serverContents(chroma().url), before)
}, 120_000)

/** Quicker to write: nothing but ids and vectors. */
function bare(batch: RecordBatch): RecordBatch {
  const nothing = batch.ids.map(() => null)
  return { ...batch, documents: nothing, uris: nothing, metadatas: nothing }
}

test('two tenants, and the same names in different databases', async () => {
  const places = [
    { ...home, name: 'docs', rows: 4 },
    { ...home, database: 'other', name: 'docs', rows: 5 },
    { tenant: 'second', database: 'other', name: 'docs', rows: 6 },
    { tenant: 'second', database: 'their.own', name: 'docs', rows: 7 },
    { tenant: 'second', database: 'their.own', name: 'only-here', rows: 0 },
  ]
  const seeds = places.map(({ rows, ...place }, number): Seed => ({
    ...place,
    metadata: new Map([['place', BigInt(number)]]),
    space: 'l2',
    records: sampleBatch({ rows, dimension: rows === 0 ? 0 : number + 1, first: 100 * number }),
  }))
  const tenants = [home.tenant, 'second']
  await withApi(chroma().url, (api) => seedServer(api, seeds))
  const before = await serverContents(chroma().url, tenants)
  expect(before.size).toBe(5)
  await backUp(chroma().url, repo, '--tenant', 'default_tenant', '--tenant', 'second')
  for (const tenant of tenants) await dropCollections(chroma().url, tenant)
  expect(await runJson(restoreArgs())).toMatchObject({ equal: true, records: 22 })
  expectSameContents(await serverContents(chroma().url, tenants), before)

  // Into a tenant that is not there yet, with databases of the same names.
  await runJson([...restoreArgs(), '--collection', 'second/*/*', '--target-tenant', 'third'])
  const third = await serverContents(chroma().url, ['third'])
  expect([...third.keys()].sort()).toEqual([
    'third/other/docs',
    'third/their.own/docs',
    'third/their.own/only-here',
  ])
})

test('--tenants-file, --exclude and --drop-old: only what was asked for is saved, restored and kept', async () => {
  const docs = { ...home, name: 'docs' }
  const seedOf = (place: Pick<Seed, 'tenant' | 'database' | 'name'>): Seed => ({
    ...place,
    metadata: null,
    space: 'l2',
    records: sampleBatch({ rows: 5, dimension: 3 }),
  })
  const places = [docs, { ...home, name: 'drafts' }, { ...docs, tenant: 'fourth' }]
  await withApi(chroma().url, (api) => seedServer(api, places.map(seedOf)))
  const file = path.join(folder, 'tenants')
  await writeFile(file, 'default_tenant\n\nfourth\n')
  await backUp(chroma().url, repo, '--tenants-file', file, '--exclude', 'drafts')
  const { collections } = await runJson(['backup', 'show', '--repo', repo])
  expect(collections).toMatchObject([
    { tenant: 'default_tenant', name: 'docs' },
    { tenant: 'fourth', name: 'docs' },
  ])

  const replace = [...restoreArgs(), '--exclude', 'fourth/*/*', '--mode', 'replace', '--drop-old']
  expect(await runJson(replace)).toMatchObject({
    collections: [{ target: docs, action: 'replace', keptAs: null }],
  })
  const names = [...(await serverContents(chroma().url, ['default_tenant', 'fourth'])).keys()].sort()
  expect(names).toEqual(places.map(displayName).sort())
})
