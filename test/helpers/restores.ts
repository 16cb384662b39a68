import { createBackup } from '../../src/backup/create-backup.js'
import type { BackupHead } from '../../src/backup/manifest.js'
import type { Repository } from '../../src/backup/repository.js'
import type { RestoreJob } from '../../src/backup/restore-job.js'
import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { silentProgress } from '../../src/core/progress.js'
import type { CollectionDefinition } from '../../src/core/records.js'
import type { BlobStore } from '../../src/storage/blob-store.js'
import { jobOf, newRepository } from './backups.js'
import { MemorySource, type MemoryCollection } from './memory-source.js'

export interface TestBackup {
  readonly repository: Repository
  readonly head: BackupHead
}

/** A backup of collections that are not on any server. */
export async function backupOf(
  collections: readonly MemoryCollection[],
  store?: BlobStore,
): Promise<TestBackup> {
  const repository = await newRepository(store)
  const job = jobOf(repository, new MemorySource(collections), { allowEmpty: true, now: () => new Date() })
  const { head } = await createBackup(job)
  return { repository, head }
}

export function restoreJob(
  { repository, head }: TestBackup,
  api: ChromaApi,
  overrides: Partial<RestoreJob> = {},
): RestoreJob {
  return {
    repository,
    head,
    api,
    mode: 'create',
    now: () => new Date(),
    progress: silentProgress,
    ...overrides,
  }
}

/** Calls `work` with the API of a server, and ends the connections. */
export async function withApi<T>(url: string, work: (api: ChromaApi) => Promise<T>): Promise<T> {
  const transport = await connectTransport({ url })
  try {
    return await work(new ChromaApi(transport))
  } finally {
    await transport.close()
  }
}

/** Every collection of a database by name, shadows and replaced ones included. */
export async function collectionsOf(
  api: ChromaApi,
  database = 'default_database',
): Promise<ReadonlyMap<string, CollectionDefinition>> {
  const definitions = await api.listCollections('default_tenant', database)
  return new Map(definitions.map((definition) => [definition.name, definition]))
}

/** A database of its own for one test, so that tests can share a server. */
export async function freshDatabase(api: ChromaApi): Promise<string> {
  const database = `db-${Math.random().toString(36).slice(2, 10)}`
  await api.createDatabase('default_tenant', database)
  return database
}
