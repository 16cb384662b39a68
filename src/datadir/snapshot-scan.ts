import { lstat, readdir } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, throwIfAborted } from '../core/errors.js'
import { OWN_FOLDER } from './own-folder.js'
import { SnapshotUnsupportedError } from './snapshot-errors.js'

export const DATABASE_FILE = 'chroma.sqlite3'
export const JOURNAL_FILE = 'chroma.sqlite3-journal'

/** One regular file. Sizes in bytes. */
export interface ScannedFile {
  /** Relative, with `/`. */
  readonly path: string
  readonly size: number
  /** Below `size` for sparse files. */
  readonly allocated: number
  /** Permission bits. */
  readonly mode: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  /** Device and inode: another one means another file. */
  readonly identity: string
}

export interface ScannedFolder {
  readonly path: string
  readonly mode: number
}

export interface DirectoryScan {
  /** Sorted by path. Without {@link JOURNAL_FILE}. */
  readonly files: readonly ScannedFile[]
  readonly folders: readonly ScannedFolder[]
  /** The journal of a transaction that is under way, or was when its process was killed. */
  readonly journal: ScannedFile | null
  /** What is neither a file nor a folder, and so is in no copy. */
  readonly leftOut: readonly LeftOut[]
}

export interface LeftOut {
  readonly path: string
  readonly what: 'symbolic link' | 'special file'
}

/** A folder of a vector segment. */
const SEGMENT_FOLDER = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * Everything in a data directory, without what chroma-ops keeps there, by `lstat` alone: no file is opened.
 * What disappears meanwhile is left out. Rejects with a {@link SnapshotUnsupportedError} (16) when a part of
 * the data is a symbolic link, or the database keeps a write-ahead log of SQLite's own.
 */
export async function scanDirectory(directory: string, signal?: AbortSignal): Promise<DirectoryScan> {
  const files: ScannedFile[] = []
  const folders: ScannedFolder[] = []
  const leftOut: LeftOut[] = []
  const visit = async (folder: string): Promise<void> => {
    for (const name of (await readdir(path.join(directory, folder))).sort()) {
      const relative = folder === '' ? name : `${folder}/${name}`
      if (relative === OWN_FOLDER || relative === 'lost+found') continue
      throwIfAborted(signal)
      const entry = await lstatOrNull(path.join(directory, relative))
      if (entry === null) continue
      const mode = Number(entry.mode) & 0o7777
      if (entry.isDirectory()) {
        folders.push({ path: relative, mode })
        await visit(relative)
      } else if (entry.isFile()) {
        files.push({
          path: relative,
          size: Number(entry.size),
          allocated: Number(entry.blocks) * 512,
          mode,
          mtimeNs: entry.mtimeNs,
          ctimeNs: entry.ctimeNs,
          identity: `${entry.dev}:${entry.ino}`,
        })
      } else {
        leftOut.push({ path: relative, what: entry.isSymbolicLink() ? 'symbolic link' : 'special file' })
      }
    }
  }
  await visit('')
  refuseUnsupported(directory, files, leftOut)
  const isJournal = ({ path: name }: ScannedFile) => name === JOURNAL_FILE
  return {
    files: files.filter((file) => !isJournal(file) && file.path !== `${DATABASE_FILE}-shm`),
    folders,
    journal: files.find((file) => isJournal(file) && file.size > 0) ?? null,
    leftOut,
  }
}

/** Whether nothing has been written to the file between two scans. */
export function isSameFile(a: ScannedFile, b: ScannedFile | undefined): boolean {
  return a.identity === b?.identity && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs
}

export function isSameScan(a: DirectoryScan, b: DirectoryScan): boolean {
  const journals = a.journal === null ? b.journal === null : isSameFile(a.journal, b.journal ?? undefined)
  return (
    journals &&
    a.files.length === b.files.length &&
    a.folders.length === b.folders.length &&
    a.files.every((file, index) => file.path === b.files[index]?.path && isSameFile(file, b.files[index]))
  )
}

function refuseUnsupported(
  directory: string,
  files: readonly ScannedFile[],
  leftOut: readonly LeftOut[],
): void {
  const needed = leftOut.find(({ path: name }) => {
    const [first = ''] = name.split('/', 1)
    return first === DATABASE_FILE || SEGMENT_FOLDER.test(first)
  })
  if (needed !== undefined)
    throw new SnapshotUnsupportedError(`${path.join(directory, needed.path)} is a ${needed.what}`, {
      hint: 'put the data itself into the directory: what a link points to is not protected by its locks',
    })
  const log = files.find(({ path: name, size }) => name === `${DATABASE_FILE}-wal` && size > 0)
  if (log !== undefined)
    throw new SnapshotUnsupportedError(`${path.join(directory, log.path)}: the database is in WAL mode`, {
      hint: 'stop the server and run: sqlite3 chroma.sqlite3 "PRAGMA journal_mode=DELETE"',
    })
}

async function lstatOrNull(file: string) {
  try {
    return await lstat(file, { bigint: true })
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}
