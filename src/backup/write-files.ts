import { chmod, mkdir } from 'node:fs/promises'
import path from 'node:path'

import { mapInOrder } from '../core/map-in-order.js'
import type { Progress } from '../core/progress.js'
import { explained } from '../datadir/own-folder.js'
import { syncFolder } from '../datadir/sync-folder.js'
import { readContents } from './contents.js'
import { readFileTable, type FileEntry, type FileTable } from './file-table.js'
import type { BackupHead } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import type { Repository } from './repository.js'
import { writeFile } from './write-file.js'

export interface WriteFilesJob {
  readonly repository: Repository
  /** A physical backup. */
  readonly head: BackupHead
  /** Is there, and holds nothing of the same name. */
  readonly folder: string
  /** Whether the files must survive a loss of power. */
  readonly durable: boolean
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/** Some files of a table, into a folder that has their folders; not durable. */
export async function writeSomeFiles(job: {
  readonly objects: ObjectReader
  readonly table: FileTable
  readonly files: readonly FileEntry[]
  readonly folder: string
  readonly signal?: AbortSignal | undefined
}): Promise<void> {
  const memory: Buffer[] = []
  for (const file of job.files) await writeFile({ ...job, file, memory, durable: false, tell: () => {} })
}

export interface WrittenFiles {
  readonly files: number
  /** Sizes of the files. */
  readonly bytes: number
  /** Names of what was written directly into the folder. */
  readonly names: readonly string[]
}

const CONCURRENT_FILES = 3
/** Each of the files at work reads from a few. */
const CACHED_OBJECTS = 10

/**
 * Writes the files of a physical backup. All that is read is verified. Rejects with an ObjectDamagedError (13),
 * a DirectoryAccessError (14), a DiskFullError, an error of the store or an AbortedError; what was written so
 * far stays.
 */
export async function writeFiles(job: WriteFilesJob): Promise<WrittenFiles> {
  const { repository, head, folder, progress, signal } = job
  const objects = new ObjectReader({
    repository,
    backup: head.id,
    progress,
    cachedObjects: CACHED_OBJECTS,
  })
  const contents = await readContents(repository, head, signal)
  const table = await readFileTable(objects, head, contents, signal)
  const total = table.files.reduce((sum, { size }) => sum + size, 0)
  const memory: Buffer[] = []
  let [done, bytes] = [0, 0]
  const tell = (more: number, isDone = false) => {
    done += more
    const state = isDone ? ({ state: 'done' } as const) : {}
    progress.update({ task: 'files', phase: 'write', done, total, unit: 'bytes', bytes: done, ...state })
  }
  try {
    for (const entry of table.folders) await mkdir(path.join(folder, entry.path), { mode: 0o700 })
    const written = mapInOrder(
      iterate(table.files),
      CONCURRENT_FILES,
      (file, stop) => writeFile({ ...job, objects, table, file, memory, tell, signal: stop }),
      signal,
    )
    for await (const size of written) bytes += size
    // Inner folders first: a folder may be read-only.
    for (const entry of [...table.folders].reverse()) {
      const target = path.join(folder, entry.path)
      if (job.durable) await syncFolder(target)
      await chmod(target, entry.mode)
    }
    if (job.durable) await syncFolder(folder)
  } catch (error) {
    throw explained(error, `write into ${folder}`)
  }
  tell(0, true)
  const first = [...table.folders, ...table.files].map((entry) => entry.path.split('/', 1)[0] ?? '')
  return { files: table.files.length, bytes, names: [...new Set(first)].sort() }
}

async function* iterate<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}
