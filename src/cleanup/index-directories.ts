import { lstat, readdir } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import type { Database } from '../datadir/sqlite.js'
import type { CleanupNotice } from './report.js'

/** What Chroma writes into the directory of an index, and nothing else does. */
export const INDEX_FILES: readonly string[] = [
  'header.bin',
  'data_level0.bin',
  'length.bin',
  'link_lists.bin',
  'index_metadata.pickle',
]

export interface IndexDirectory {
  /** The id of its segment. */
  readonly name: string
  readonly files: readonly string[]
  /** What its files take on the disk; files may have holes. */
  readonly allocatedBytes: number
}

export interface FoundDirectories {
  /** Real directories, named like a segment, with only files that Chroma writes. */
  readonly indexes: readonly IndexDirectory[]
  /** Named like one, but not touched, and why. */
  readonly strange: readonly CleanupNotice[]
}

const SEGMENT_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Symbolic links are not followed: what they point to is not ours. */
export async function listIndexDirectories(directory: string): Promise<FoundDirectories> {
  const indexes: IndexDirectory[] = []
  const strange: CleanupNotice[] = []
  for (const name of (await readdir(directory)).sort()) {
    if (!SEGMENT_ID.test(name)) continue
    const found = await inspectIndexDirectory(directory, name)
    if (found === null) continue
    if ('message' in found) strange.push(found)
    else indexes.push(found)
  }
  return { indexes, strange }
}

/** Null when it is gone. */
export async function inspectIndexDirectory(
  directory: string,
  name: string,
): Promise<IndexDirectory | CleanupNotice | null> {
  const folder = path.join(directory, name)
  try {
    if (!(await lstat(folder)).isDirectory()) return notTouched(folder, 'it is not a directory')
    const files = (await readdir(folder)).sort()
    let allocatedBytes = 0
    for (const file of files) {
      if (!INDEX_FILES.includes(file)) return notTouched(folder, `Chroma writes no ${file}`)
      const found = await lstat(path.join(folder, file))
      if (!found.isFile()) return notTouched(folder, `${file} is not a plain file`)
      allocatedBytes += found.blocks * 512
    }
    return { name, files, allocatedBytes }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    if (isErrno(error, 'EACCES', 'EPERM')) return notTouched(folder, 'it cannot be read by this user')
    throw error
  }
}

/** Whether a segment of any tenant has this id. The directories must have been listed before this is asked. */
export function hasLiveSegment(database: Database, id: string): boolean {
  const row = database.get(
    `SELECT 1 AS found FROM main.segments s JOIN main.collections c ON c.id = s.collection WHERE s.id = ?`,
    id,
  )
  return row !== undefined
}

function notTouched(folder: string, why: string): CleanupNotice {
  return { code: 'NOT_AN_INDEX', message: `${folder} is named like an index and is not touched: ${why}` }
}
