import { lstat, readdir, stat } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { OWN_FOLDER } from './own-folder.js'

export const DATABASE_FILE = 'chroma.sqlite3'
/** What Chroma writes into the folder of an index. */
const INDEX_FILES = ['header.bin', 'data_level0.bin', 'length.bin', 'link_lists.bin', 'index_metadata.pickle']

/** A folder named like a segment. */
export interface SegmentFolder {
  readonly name: string
  /** Bytes that its files take on the disk. */
  readonly allocatedBytes: number
  /** Names that Chroma does not write there. */
  readonly foreign: readonly string[]
}

export interface FolderFacts {
  readonly hasDatabase: boolean
  readonly databaseBytes: number
  /** Of the rollback journal; null when there is none. */
  readonly journalBytes: number | null
  readonly segmentFolders: readonly SegmentFolder[]
  /** Everything else, except what chroma-ops keeps there. */
  readonly foreign: readonly string[]
}

/** What lies in a data directory. Symbolic links are named and not followed. */
export async function inspectFolder(directory: string): Promise<FolderFacts> {
  const segmentFolders: SegmentFolder[] = []
  const foreign: string[] = []
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const { name } = entry
    if (name === OWN_FOLDER || name.startsWith(DATABASE_FILE)) continue
    if (entry.isDirectory() && UUID.test(name)) segmentFolders.push(await segmentFolder(directory, name))
    else if (!SYSTEM.has(name)) foreign.push(name)
  }
  const databaseBytes = await sizeOf(path.join(directory, DATABASE_FILE))
  return {
    hasDatabase: databaseBytes !== null,
    databaseBytes: databaseBytes ?? 0,
    journalBytes: await sizeOf(path.join(directory, `${DATABASE_FILE}-journal`)),
    segmentFolders,
    foreign,
  }
}

/**
 * Directories in and around this one that do hold a database: Chroma 1.0 moved the default from
 * `/chroma/chroma` to `/data`, so a container that was upgraded starts on an empty directory.
 */
export async function findDatabaseNearby(directory: string): Promise<readonly string[]> {
  const resolved = path.resolve(directory)
  const parent = path.dirname(resolved)
  const candidates = [
    ...(await foldersIn(resolved)),
    parent,
    ...(await foldersIn(parent)),
    ...(await foldersIn(path.join(parent, 'chroma'))),
    '/chroma/chroma',
    '/data',
  ]
  const found: string[] = []
  for (const candidate of new Set(candidates)) {
    if (candidate === resolved) continue
    if ((await sizeOf(path.join(candidate, DATABASE_FILE))) !== null) found.push(candidate)
  }
  return found
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/** Of file systems and tools, everywhere. */
const SYSTEM = new Set(['lost+found', '.DS_Store', '.gitkeep', '.gitignore'])
/** Enough to find a directory that was moved; a home directory may have thousands. */
const MAX_CANDIDATES = 200

async function segmentFolder(directory: string, name: string): Promise<SegmentFolder> {
  const folder = path.join(directory, name)
  let allocatedBytes = 0
  const foreign: string[] = []
  for (const file of await readdir(folder)) {
    const { blocks } = await lstat(path.join(folder, file))
    allocatedBytes += blocks * 512
    if (!INDEX_FILES.includes(file)) foreign.push(file)
  }
  return { name, allocatedBytes, foreign }
}

async function foldersIn(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory())
      .slice(0, MAX_CANDIDATES)
      .map(({ name }) => path.join(directory, name))
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EPERM')) return []
    throw error
  }
}

/** Null when there is no such file, it is none (but a folder or a pipe), or it may not be seen. */
async function sizeOf(file: string): Promise<number | null> {
  try {
    const found = await stat(file)
    return found.isFile() ? found.size : null
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EPERM')) return null
    throw error
  }
}
