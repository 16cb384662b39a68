import { chmod, mkdir, open, utimes, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { throwIfAborted } from '../core/errors.js'
import { mapInOrder } from '../core/map-in-order.js'
import type { Progress } from '../core/progress.js'
import { explained } from '../datadir/own-folder.js'
import { syncFolder } from '../datadir/sync-folder.js'
import { readContents } from './contents.js'
import { readFilePieces, type FilePiece } from './file-reader.js'
import { readFileTable, type FileEntry, type FileTable } from './file-table.js'
import type { BackupHead } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import type { Repository } from './repository.js'

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
  const { objects, table, folder, signal } = job
  for (const file of job.files)
    await writeFile({ folder, durable: false, signal }, { objects, table, file, tell: () => {} })
}

export interface WrittenFiles {
  readonly files: number
  /** Sizes of the files. */
  readonly bytes: number
  /** Names of what was written directly into the folder. */
  readonly names: readonly string[]
}

const CONCURRENT_FILES = 2
const WRITE_BYTES = 1024 * 1024

/**
 * Writes the files of a physical backup. All that is read is verified. Rejects with an ObjectDamagedError (13),
 * a DirectoryAccessError (14), a DiskFullError, an error of the store or an AbortedError; what was written so
 * far stays.
 */
export async function writeFiles(job: WriteFilesJob): Promise<WrittenFiles> {
  const { repository, head, folder, progress, signal } = job
  const objects = new ObjectReader({ repository, backup: head.id, progress })
  const contents = await readContents(repository, head, signal)
  const table = await readFileTable(objects, head, contents, signal)
  const total = table.files.reduce((sum, { size }) => sum + size, 0)
  let [done, bytes] = [0, 0]
  const tell = (more: number, isDone: boolean) => {
    done += more
    const state = isDone ? ({ state: 'done' } as const) : {}
    progress.update({ task: 'files', phase: 'write', done, total, unit: 'bytes', bytes: done, ...state })
  }
  try {
    for (const entry of table.folders) await mkdir(path.join(folder, entry.path), { mode: 0o700 })
    const written = mapInOrder(
      iterate(table.files),
      CONCURRENT_FILES,
      (file, stop) => writeFile({ ...job, signal: stop }, { objects, table, file, tell }),
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

interface OneFile {
  readonly objects: ObjectReader
  readonly table: FileTable
  readonly file: FileEntry
  readonly tell: (bytes: number, isDone: boolean) => void
}

async function writeFile(
  job: Pick<WriteFilesJob, 'folder' | 'durable' | 'signal'>,
  { objects, table, file, tell }: OneFile,
): Promise<number> {
  const target = path.join(job.folder, file.path)
  const handle = await open(target, 'wx', 0o600)
  try {
    let at = 0
    for await (const pieces of gathered(readFilePieces({ objects, table, file, signal: job.signal }))) {
      throwIfAborted(job.signal)
      const { bytes, length } = pieces
      if (bytes.length > 0) await writeAll(handle, bytes, at)
      at += length
      tell(length, false)
    }
    await handle.truncate(file.size)
    await handle.chmod(file.mode)
    if (job.durable) await handle.sync()
  } finally {
    await handle.close()
  }
  await utimes(target, file.mtimeMs / 1000, file.mtimeMs / 1000)
  return file.size
}

/** Small blocks in one write; zeros by themselves, as a hole. */
async function* gathered(
  pieces: AsyncIterable<FilePiece>,
): AsyncGenerator<{ readonly bytes: readonly Buffer[]; readonly length: number }> {
  let bytes: Buffer[] = []
  let length = 0
  for await (const piece of pieces) {
    const isHole = typeof piece === 'number'
    if (length > 0 && (isHole || length + piece.length > WRITE_BYTES)) {
      yield { bytes, length }
      bytes = []
      length = 0
    }
    if (isHole) {
      yield { bytes: [], length: piece }
    } else {
      bytes.push(piece)
      length += piece.length
    }
  }
  if (length > 0) yield { bytes, length }
}

async function writeAll(handle: FileHandle, pieces: readonly Buffer[], at: number): Promise<void> {
  const bytes = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done)
    done += bytesWritten
  }
}

async function* iterate<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}
