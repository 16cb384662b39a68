import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'

import { ChromaApi } from '../chroma/api.js'
import { connectTransport } from '../chroma/connect.js'
import { startEmbeddedServer } from '../chroma/embedded-server.js'
import { ServerCollectionWriter } from '../chroma/server-sink.js'
import { withVectors } from '../core/batch-rows.js'
import { isErrno, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import type { JsonValue } from '../core/json.js'
import type { Progress } from '../core/progress.js'
import { displayName, type CollectionDefinition, type RecordBatch } from '../core/records.js'
import { openDataDirectory, type DataDirectory } from '../datadir/data-directory.js'
import { withDirectoryLock } from '../datadir/directory-lock.js'
import { DirectorySource } from '../datadir/directory-source.js'
import { requireNoHolder } from '../datadir/holder.js'
import type { IndexSettings } from '../datadir/index-settings.js'
import { makeOwnFolder } from '../datadir/own-folder.js'
import { giveToOwner } from '../datadir/swap-files.js'
import { requireWholeIndex, switchIndex } from '../datadir/switch-index.js'
import { syncTree } from '../datadir/sync-folder.js'
import { planOf, refuseLosses, type RebuildPlan } from './rebuild-plan.js'

export type { RebuildPlan } from './rebuild-plan.js'

export interface RebuildJob {
  readonly directory: string
  /** The collection; it and its records keep their ids. */
  readonly collection: CollectionDefinition
  /** What is to be different. */
  readonly changes: Partial<IndexSettings>
  /** Rebuilds from the vectors that are there, although some are lost. */
  readonly allowPartial: boolean
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export interface Rebuilt extends RebuildPlan {
  /** Folder of the old index, left as it was; null when there was none. */
  readonly oldIndex: string | null
  readonly newIndex: string
}

/** The directory was made by a release whose directories are read but not changed. */
export class RebuildUnsupportedError extends OpsError {
  override readonly code = 'DIRECTORY_TOO_OLD'
  override readonly exitCode = ExitCode.notSupported
}

/** `metadb` of Chroma 1.0. */
const FIRST_CHANGED_MIGRATION = 5
/** Chroma takes no smaller threshold. */
const LEAST_THRESHOLD = 2
const STAGING_PREFIX = 'rebuild-'
const STAGED = { tenant: 'default_tenant', database: 'default_database', name: 'rebuilt-index' }

/** What a rebuild would do; reads every vector, and changes nothing. */
export async function planRebuild(job: RebuildJob & { readonly tempDir: string }): Promise<RebuildPlan> {
  const data = await openDataDirectory(job.directory, { tempDir: job.tempDir })
  try {
    let [records, withoutVector] = [0, 0]
    for await (const batch of batchesOf(data, job)) {
      records += batch.ids.length
      withoutVector += batch.missingEmbeddings.length
    }
    return planOf(job, records, withoutVector)
  } finally {
    data.close()
  }
}

/**
 * Builds the vector index of a collection anew from its records, by a temporary server of its own inside the data
 * directory, and puts it in the place of the old one in a single transaction. Nobody may work on the directory.
 * Killed at any moment, either the old or the new index is in use. The old one stays as a folder that belongs to no
 * collection, for `cleanup orphans`.
 *
 * Rejects with a DirectoryHeldError (11), HolderUnknownError (15), DirectoryLockedError (11), a GuardError
 * `VECTORS_LOST` or `NOTHING_TO_BUILD` (15), {@link RebuildUnsupportedError} or a SettingsNotChangeableError (16), an
 * IndexNotBuiltError (13), an EmbeddedServerError, or an AbortedError.
 */
export async function rebuildIndex(
  job: RebuildJob & { readonly cacheDir: string; readonly serverStopped: boolean },
): Promise<Rebuilt> {
  const { directory, collection, signal } = job
  await requireNoHolder(directory, job)
  return withDirectoryLock(directory, { purpose: 'rebuild index', signal }, async (lock) => {
    const data = await openDataDirectory(directory, { mode: 'write' })
    const staging = path.join(await makeOwnFolder(directory), 'staging', `${STAGING_PREFIX}${randomUUID()}`)
    try {
      refuseOld(data)
      await removeStale(path.dirname(staging))
      await mkdir(staging, { recursive: true, mode: 0o700 })
      const built = await build(job, data, staging)
      await lock.stillMine()
      await requireNoHolder(directory, job)
      const oldIndex = await switchIndex({
        data,
        collectionId: collection.id,
        built: built.folder,
        settings: Object.keys(job.changes).length === 0 ? null : built.plan.after,
      })
      return { ...built.plan, oldIndex, newIndex: path.join(directory, path.basename(built.folder)) }
    } finally {
      data.close()
      await rm(staging, { recursive: true, force: true })
    }
  })
}

/** What runs that were killed have left; ours is the only one alive. */
async function removeStale(folder: string): Promise<void> {
  try {
    for (const name of await readdir(folder))
      if (name.startsWith(STAGING_PREFIX)) await rm(path.join(folder, name), { recursive: true, force: true })
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}

interface Built {
  readonly folder: string
  readonly plan: RebuildPlan
}

async function build(
  job: RebuildJob & { readonly cacheDir: string },
  data: DataDirectory,
  staging: string,
): Promise<Built> {
  const { collection, signal, cacheDir } = job
  const ids = new Set<string>()
  let records = 0
  for await (const batch of batchesOf(data, job)) {
    records += batch.ids.length
    for (const id of withVectors(batch).ids) ids.add(id)
  }
  const plan = planOf(job, records, records - ids.size)
  refuseLosses(job, plan)
  const server = await startEmbeddedServer({ directory: staging, cacheDir, ...(signal && { signal }) })
  try {
    const transport = await connectTransport({ url: server.url, ...(signal && { signal }) })
    try {
      await fill(job, data, new ChromaApi(transport), ids.size, plan)
    } finally {
      await transport.close()
    }
  } finally {
    await server.stop()
  }
  const folder = await stagedIndex(staging)
  await requireWholeIndex(folder, ids)
  // The server leaves that to the operating system.
  await syncTree(folder)
  await giveToOwner(folder, job.directory)
  job.progress.update({
    task: displayName(collection),
    phase: 'write',
    done: ids.size,
    unit: 'records',
    state: 'done',
  })
  return { folder, plan }
}

/** The threshold at which the server saves the index is the number of records: it is saved once, at the end. */
async function fill(
  job: RebuildJob,
  data: DataDirectory,
  api: ChromaApi,
  records: number,
  { after }: RebuildPlan,
): Promise<void> {
  const { progress, signal, collection } = job
  const threshold = BigInt(Math.max(LEAST_THRESHOLD, records))
  const hnsw = new Map<string, JsonValue>([
    ['space', after.space],
    ['ef_construction', BigInt(after.efConstruction)],
    ['max_neighbors', BigInt(after.maxNeighbours)],
    ['sync_threshold', threshold],
    ['batch_size', threshold < 100n ? threshold : 100n],
  ])
  const staged = await api.createCollection(
    { ...STAGED, metadata: null, schema: null, configuration: new Map([['hnsw', hnsw]]) },
    signal,
  )
  const writer = new ServerCollectionWriter(api, staged)
  let done = 0
  let last: RecordBatch | null = null
  for await (const batch of batchesOf(data, job)) {
    const whole = vectorsOnly(withVectors(batch))
    if (whole.ids.length === 0) continue
    await writer.write(whole, signal)
    done += whole.ids.length
    last = whole
    progress.update({ task: displayName(collection), phase: 'write', done, total: records, unit: 'records' })
  }
  // One record is below every threshold: the same again counts as an operation and changes nothing.
  if (last !== null && records < LEAST_THRESHOLD) await api.upsert(staged, last, signal)
}

/** An index knows nothing else. */
function vectorsOnly(batch: RecordBatch): RecordBatch {
  const nothing = batch.ids.map(() => null)
  return { ...batch, documents: nothing, uris: nothing, metadatas: nothing }
}

async function* batchesOf(
  data: DataDirectory,
  { collection, signal }: RebuildJob,
): AsyncGenerator<RecordBatch> {
  const reader = await new DirectorySource(data).openCollection(collection, signal)
  yield* reader.batches(signal)
}

async function stagedIndex(staging: string): Promise<string> {
  for (const entry of await readdir(staging, { withFileTypes: true }))
    if (entry.isDirectory() && /^[0-9a-f-]{36}$/.test(entry.name)) return path.join(staging, entry.name)
  return path.join(staging, 'no-index')
}

function refuseOld({ path: directory, fingerprint }: DataDirectory): void {
  if (fingerprint.metadb >= FIRST_CHANGED_MIGRATION) return
  throw new RebuildUnsupportedError(
    `${directory} was made by Chroma ${fingerprint.releases ?? 'before 1.0'}; only directories of 1.x are changed`,
    { hint: 'back it up and restore it into a new directory, which builds every index anew' },
  )
}
