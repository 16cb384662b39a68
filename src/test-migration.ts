import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { ChromaApi } from './chroma/api.js'
import { connectTransport } from './chroma/connect.js'
import { startEmbeddedServer } from './chroma/embedded-server.js'
import { openOfficialClient } from './chroma/open-official-client.js'
import { silentProgress } from './core/progress.js'
import { ManagedDatabase } from './managed-database.js'
import type { MigrationDefinition } from './migrations/definition.js'
import type { MigrationTestReport } from './migrations/kit/run-migration-test.js'

export interface TestMigrationOptions {
  readonly migration: MigrationDefinition
  /** Fills the database that the migration is applied to; called for each of many databases. */
  readonly fixtures: (database: ManagedDatabase) => Promise<void>
  /** A server for tests; databases are made on it. Default: one of its own, in a temporary folder. */
  readonly url?: string
  /** At most so many crashes are tried each way, spread over all writes; default 30. */
  readonly crashes?: number
  /** Where an adapted copy of the server (50 MB) may be kept on systems with an older C library. */
  readonly cacheDir?: string
  readonly signal?: AbortSignal
}

const DEFAULT_CRASHES = 30
const TENANT = 'default_tenant'

/**
 * Tries a migration before it meets real data, on a real server: up; up again, which must do nothing; down, which
 * must give the fixtures back; up, which must give the same result; and up and down after a crash at each write, or
 * at `crashes` of them. A provider of vectors is asked each time: give it one that answers at once, always the same.
 *
 * The report says what failed. Rejects with what `fixtures` throws, with an EmbeddedServerError and the errors of
 * the server, and with what `up` of the migration throws before its first step.
 */
export async function testMigration(options: TestMigrationOptions): Promise<MigrationTestReport> {
  const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-kit-'))
  try {
    if (options.url !== undefined) return await testOn(options.url, folder, options)
    const { cacheDir = path.join(tmpdir(), 'chroma-ops-cache'), signal } = options
    const directory = path.join(folder, 'server')
    const server = await startEmbeddedServer({ directory, cacheDir, ...(signal && { signal }) })
    try {
      return await testOn(server.url, folder, options)
    } finally {
      await server.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function testOn(
  url: string,
  folder: string,
  {
    migration,
    fixtures,
    crashes = DEFAULT_CRASHES,
    signal = new AbortController().signal,
  }: TestMigrationOptions,
): Promise<MigrationTestReport> {
  const { runMigrationTest } = await import('./migrations/kit/run-migration-test.js')
  const api = new ChromaApi(await connectTransport({ url, signal }))
  const run = path.basename(folder)
  let databases = 0
  try {
    return await runMigrationTest({
      migration: {
        ...{ version: '00001', name: 'test', file: '00001_test', checksum: 'b1:test' },
        definition: migration,
      },
      crashes,
      openClient: (database) => openOfficialClient({ url }, { tenant: TENANT, database }),
      newDatabase: async () => {
        const database = `${run}-${++databases}`
        await api.createDatabase(TENANT, database, signal)
        const filled = await ManagedDatabase.open({ url, tenant: TENANT, database, signal })
        try {
          await fixtures(filled)
        } finally {
          await filled.close()
        }
        return database
      },
      job: {
        ...{ api, tenant: TENANT, directory: folder, tempDir: folder, signal },
        environment: migration.env?.[0] ?? null,
        ...{ actor: 'test', toolVersion: 'test', concurrency: 4 },
        lock: { ttlMs: 60_000, waitMs: 0 },
        cacheDir: path.join(folder, 'cache'),
        backup: null,
        events: {},
        progress: silentProgress,
        now: () => new Date(),
      },
    })
  } finally {
    await api.transport.close()
  }
}
