import { rm } from 'node:fs/promises'
import path from 'node:path'

import { ChromaApi } from '../chroma/api.js'
import { connectTransport } from '../chroma/connect.js'
import { startEmbeddedServer } from '../chroma/embedded-server.js'
import type { Progress } from '../core/progress.js'
import { OWN_FOLDER } from '../datadir/own-folder.js'
import { syncTree } from '../datadir/sync-folder.js'
import type { ErasedRecords } from '../transfer/restore-plan.js'
import { eraseStaged } from './erase-staged.js'
import type { BackupHead } from './manifest.js'
import type { Repository } from './repository.js'
import { restoreBackup } from './restore-backup.js'
import type { RestoreJob } from './restore-job.js'
import { writeFiles } from './write-files.js'

/** As for a restore into a server. */
export type RecordSelection = Pick<
  RestoreJob,
  'collections' | 'exclude' | 'rename' | 'targetTenant' | 'targetDatabase' | 'includeErased'
>

export interface StageJob {
  readonly repository: Repository
  readonly head: BackupHead
  /** Empty, ours. */
  readonly folder: string
  readonly allowPartial: boolean
  readonly selection: RecordSelection
  readonly cacheDir: string
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export interface StagedBackup {
  /** Of the files. */
  readonly bytes: number
  /** What stayed out because it was erased since the backup. */
  readonly erased: readonly ErasedRecords[]
}

/** Makes a backup a data directory, durable: its files, or those that a temporary server writes its records into. */
export async function stageBackup(job: StageJob): Promise<StagedBackup> {
  const { folder, cacheDir, signal } = job
  if (job.head.type === 'physical') {
    const { bytes } = await writeFiles({ ...job, durable: true })
    const erased = job.selection.includeErased === true ? null : await eraseStaged(job)
    if (erased === null) return { bytes, erased: [] }
    await rm(path.join(folder, OWN_FOLDER), { recursive: true, force: true })
    return { bytes: await syncTree(folder), erased }
  }
  let erased: readonly ErasedRecords[] = []
  const server = await startEmbeddedServer({ directory: folder, cacheDir, ...(signal && { signal }) })
  try {
    const transport = await connectTransport({ url: server.url, ...(signal && { signal }) })
    try {
      ;({ erased } = await restoreBackup({
        ...job,
        ...job.selection,
        api: new ChromaApi(transport),
        mode: 'create',
        compare: true,
      }))
    } finally {
      await transport.close()
    }
  } finally {
    await server.stop()
  }
  // Its mark would allow servers to be started on somebody's directory.
  await rm(path.join(folder, OWN_FOLDER), { recursive: true, force: true })
  return { bytes: await syncTree(folder), erased }
}
