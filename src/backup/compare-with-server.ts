import type { ChromaApi } from '../chroma/api.js'
import { DatabaseNotFoundError, TenantNotFoundError } from '../chroma/errors.js'
import { serverLookup } from '../chroma/server-lookup.js'
import { spaceOf } from '../chroma/space.js'
import type { Progress } from '../core/progress.js'
import type { CollectionDefinition, CollectionName } from '../core/records.js'
import { compareCollection } from '../transfer/compare.js'
import type { Comparison } from '../transfer/comparison.js'
import { BackupSource } from './backup-source.js'
import type { BackupHead } from './manifest.js'
import type { Repository } from './repository.js'

export interface CompareWithServerJob {
  readonly repository: Repository
  readonly head: BackupHead
  /** Closed by the caller. */
  readonly api: ChromaApi
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
  /** Requests in flight; 4 if absent. */
  readonly concurrency?: number | undefined
}

export interface ServerComparison {
  /** The backup's id. */
  readonly backup: string
  /** The server, without credentials. */
  readonly url: string
  /** Every collection of the backup is on the server with equal records. */
  readonly equal: boolean
  readonly collections: readonly ComparedCollection[]
  /** 0, or 3 when something differs. */
  readonly exitCode: 0 | 3
}

export interface ComparedCollection extends CollectionName {
  /** `missing`: the server has no collection of this name. */
  readonly status: 'equal' | 'different' | 'missing'
  /** Null when it is missing. */
  readonly comparison: Comparison | null
}

/**
 * Compares every record of a backup with the server, field by field. Differences are in the result. Rejects
 * with an ObjectDamagedError, an error of the store or of the server, or an AbortedError.
 */
export async function compareWithServer(job: CompareWithServerJob): Promise<ServerComparison> {
  const { repository, head, api, progress, signal } = job
  const source = new BackupSource(repository, head, progress)
  const collections: ComparedCollection[] = []
  for (const definition of await source.listCollections(signal)) {
    collections.push(await compareOne(job, source, definition))
  }
  const equal = collections.every(({ status }) => status === 'equal')
  return { backup: head.id, url: api.transport.displayUrl, equal, collections, exitCode: equal ? 0 : 3 }
}

async function compareOne(
  { api, progress, signal, concurrency }: CompareWithServerJob,
  source: BackupSource,
  definition: CollectionDefinition,
): Promise<ComparedCollection> {
  const { tenant, database, name } = definition
  const live = await findLive(api, { tenant, database, name }, signal)
  if (live === undefined) return { tenant, database, name, status: 'missing', comparison: null }
  const comparison = await compareCollection({
    expected: await source.openCollection(definition, signal),
    actual: serverLookup(api, live),
    space: spaceOf(definition),
    progress,
    signal,
    ...(concurrency !== undefined && { concurrency }),
  })
  return { tenant, database, name, status: comparison.equal ? 'equal' : 'different', comparison }
}

async function findLive(
  api: ChromaApi,
  name: CollectionName,
  signal: AbortSignal | undefined,
): Promise<CollectionDefinition | undefined> {
  try {
    return await api.findCollection(name, signal)
  } catch (error) {
    // Its tenant or its database is gone, and it with them.
    if (error instanceof TenantNotFoundError || error instanceof DatabaseNotFoundError) return undefined
    throw error
  }
}
