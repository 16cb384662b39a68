import { hash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll } from '@jest/globals'

import type { ChromaApi } from '../../src/chroma/api.js'
import { openOfficialClient } from '../../src/chroma/open-official-client.js'
import { fromPlain } from '../../src/core/json.js'
import { silentProgress } from '../../src/core/progress.js'
import type { CollectionDefinition, Space } from '../../src/core/records.js'
import type { MigrationDefinition } from '../../src/migrations/definition.js'
import { down, redo, type DownJob } from '../../src/migrations/run/down.js'
import type { MigrationJob } from '../../src/migrations/run/migration-job.js'
import type { RunResult } from '../../src/migrations/run/result.js'
import type { KnownMigration } from '../../src/migrations/run/select.js'
import { status, type MigrationStatus } from '../../src/migrations/run/status.js'
import { up, type UpJob } from '../../src/migrations/run/up.js'

/** A migration as a file would give it; its checksum is that of the functions' texts. */
export function migration(
  version: string,
  definition: Partial<MigrationDefinition> & Pick<MigrationDefinition, 'up'>,
  name = 'test',
): KnownMigration {
  const text = Object.values(definition).map(String).join('\n')
  return {
    version,
    name,
    file: `${version}_${name}.ts`,
    checksum: `b1:${hash('sha256', text, 'hex')}`,
    definition: { description: name, ...definition },
  }
}

/** A database of its own for one test, and what is done to it by migrations. */
export class MigrationDatabase {
  readonly api: ChromaApi
  readonly tenant = 'default_tenant'
  readonly database: string
  readonly url: string
  readonly #folder: string

  constructor(api: ChromaApi, url: string, database: string, folder: string) {
    this.api = api
    this.url = url
    this.database = database
    this.#folder = folder
  }

  job(migrations: readonly KnownMigration[], changes: Partial<MigrationJob> = {}): MigrationJob {
    const { api, tenant, database, url } = this
    return {
      ...{ api, tenant, database, migrations },
      directory: this.#folder,
      environment: null,
      actor: 'tester',
      toolVersion: '0.0.0',
      lock: { ttlMs: 60_000, waitMs: 0 },
      concurrency: 2,
      tempDir: this.#folder,
      cacheDir: path.join(this.#folder, 'cache'),
      backup: null,
      openClient: () => openOfficialClient({ url }, { tenant, database }),
      events: {},
      progress: silentProgress,
      now: () => new Date(),
      signal: new AbortController().signal,
      ...changes,
    }
  }

  up(migrations: readonly KnownMigration[], changes: Partial<UpJob> = {}): Promise<RunResult> {
    return up(this.upJob(migrations, changes))
  }

  upJob(migrations: readonly KnownMigration[], changes: Partial<UpJob> = {}): UpJob {
    return {
      ...this.job(migrations),
      ...{ limit: null, to: null, plan: null, allowDestructive: false },
      ...{ execOrder: 'linear', skipBackup: false, adopt: true },
      ...changes,
    }
  }

  down(migrations: readonly KnownMigration[], changes: Partial<DownJob> = {}): Promise<RunResult> {
    return down(this.downJob(migrations, changes))
  }

  redo(migrations: readonly KnownMigration[], changes: Partial<DownJob> = {}): Promise<RunResult> {
    return redo({ ...this.downJob(migrations, changes), skipBackup: false })
  }

  downJob(migrations: readonly KnownMigration[], changes: Partial<DownJob> = {}): DownJob {
    return {
      ...this.job(migrations),
      ...{ count: 1, to: null, restore: false, acceptDataLoss: false, allowProduction: false, dryRun: false },
      ...changes,
    }
  }

  status(migrations: readonly KnownMigration[]): Promise<MigrationStatus> {
    return status(this.job(migrations))
  }

  /** The state of each migration that is known, `00001 applied`. */
  async states(migrations: readonly KnownMigration[]): Promise<readonly string[]> {
    const { migrations: states } = await this.status(migrations)
    return states.map((state) => `${state.version} ${state.status}`)
  }

  /** A collection of `count` records with documents, metadata and vectors of three numbers. */
  async fill(name: string, count = 5, space: Space = 'l2'): Promise<CollectionDefinition> {
    const { tenant, database } = this
    const made = await this.api.createCollection({
      ...{ tenant, database, name },
      metadata: null,
      schema: null,
      configuration: fromPlain({ hnsw: { space } }),
    })
    if (count > 0) await this.add(made, `${name}-`, count)
    return made
  }

  async add(collection: CollectionDefinition, prefix: string, count: number): Promise<void> {
    const rows = Array.from({ length: count }, (_, at) => at)
    await this.api.add(collection, {
      ids: rows.map((at) => `${prefix}${at}`),
      dimension: 3,
      embeddings: Float32Array.from(rows.flatMap((at) => [at + 1, 1, 0])),
      missingEmbeddings: [],
      documents: rows.map((at) => `text ${at}`),
      uris: rows.map(() => null),
      metadatas: rows.map((at) => new Map([['n', BigInt(at)]])),
    })
  }

  async find(name: string): Promise<CollectionDefinition | undefined> {
    const { tenant, database } = this
    return this.api.findCollection({ tenant, database, name })
  }

  /** Names of all collections, sorted, but for the state. */
  async names(): Promise<readonly string[]> {
    const there = await this.api.listCollections(this.tenant, this.database)
    return there
      .map(({ name }) => name)
      .filter((name) => name !== 'chroma-ops.state')
      .sort()
  }

  /** `id document` of every record, sorted. */
  async texts(name: string): Promise<readonly string[]> {
    const found = await this.find(name)
    if (found === undefined) return ['no collection']
    const batch = await this.api.get(found, { include: ['documents'] })
    return batch.ids.map((id, row) => `${id} ${batch.documents[row] ?? 'null'}`).sort()
  }
}

let databases = 0

/** A database of its own for each call, inside tests. */
export function migrationsForSuite(
  api: () => ChromaApi,
  chroma: () => { readonly url: string },
): () => Promise<MigrationDatabase> {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-test-migrations-'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })
  return async () => {
    const database = `migrations-${++databases}`
    await api().createDatabase('default_tenant', database)
    return new MigrationDatabase(api(), chroma().url, database, folder)
  }
}
