import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect } from '@jest/globals'

import type { ChromaApi } from '../../src/chroma/api.js'
import { createLike } from '../../src/chroma/create-like.js'
import { ServerCollectionWriter } from '../../src/chroma/server-sink.js'
import { silentProgress } from '../../src/core/progress.js'
import type { CollectionDefinition, RecordBatch } from '../../src/core/records.js'
import { copyCollections } from '../../src/transfer/copy-collections.js'
import type { CopyJob } from '../../src/transfer/copy-job.js'
import type { CopySummary } from '../../src/transfer/copy-summary.js'
import { apiForSuite } from './api-for-suite.js'
import { chromaForSuite } from './chroma-server.js'
import { definitionOf } from './memory-source.js'
import { freshDatabase } from './restores.js'
import { serverContents } from './server-contents.js'

export const TENANT = 'default_tenant'

/** Two servers for a suite, and copies from the first to the second. No temporary file may be left in the end. */
export function twoServersForSuite() {
  const chromas = [chromaForSuite(), chromaForSuite()] as const
  const from = apiForSuite(chromas[0])
  const to = apiForSuite(chromas[1])
  let tempDir = ''
  beforeAll(async () => {
    tempDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-copy-test-'))
  })
  afterAll(async () => {
    expect(await readdir(tempDir)).toEqual([])
    await rm(tempDir, { recursive: true })
  })
  const jobOf = (database: string, overrides: Partial<CopyJob> = {}): CopyJob => ({
    from: from(),
    to: to(),
    scope: { tenants: [TENANT], databases: [database] },
    tempDir,
    now: () => new Date(),
    progress: silentProgress,
    ...overrides,
  })
  return {
    chromas,
    from,
    to,
    jobOf,
    /** Copies the collections of a database. */
    copy: (database: string, overrides: Partial<CopyJob> = {}): Promise<CopySummary> =>
      copyCollections(jobOf(database, overrides)),
    /** A database of the source for one test, empty. */
    database: () => freshDatabase(from()),
    /** What the servers say of the collections of a database, by name; an independent reader. */
    contents: async (database: string) => {
      const source = await contentsOf(chromas[0]().url, database)
      return { source, target: await contentsOf(chromas[1]().url, database) }
    },
  }
}

/** By name. */
export async function contentsOf(url: string, database: string): Promise<Map<string, readonly string[]>> {
  const prefix = `${TENANT}/${database}/`
  const all = await serverContents(url, [TENANT], database)
  return new Map([...all].map(([name, lines]) => [name.slice(prefix.length), lines]))
}

/** A collection with these records in a database of the default tenant. */
export async function seedCollection(
  api: ChromaApi,
  address: { readonly database: string; readonly name: string },
  records: RecordBatch,
  overrides: Partial<CollectionDefinition> = {},
): Promise<CollectionDefinition> {
  const definition = definitionOf(address.name, { ...overrides, tenant: TENANT, database: address.database })
  const { collection } = await createLike(api, definition, {
    address: { tenant: TENANT, ...address },
    marker: null,
  })
  if (records.ids.length > 0) await new ServerCollectionWriter(api, collection).write(records)
  return api.getCollection(collection)
}
