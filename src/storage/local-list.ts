import { type Dirent } from 'node:fs'
import { opendir, stat } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, throwIfAborted } from '../core/errors.js'
import type { BlobInfo } from './blob-store.js'
import { isSegment } from './keys.js'

/** Names of one folder held at a time; a larger folder is read several times. */
const NAMES_AT_ONCE = 20_000

export interface ListJob {
  readonly root: string
  readonly prefix: string
  /** Only keys behind this one. */
  readonly after: string
  readonly signal: AbortSignal | undefined
  readonly namesAtOnce?: number
}

/** The files below `root` whose keys begin with `prefix`, ascending. What vanishes meanwhile is left out. */
export async function* listFiles(job: ListJob): AsyncGenerator<BlobInfo> {
  const folderKey = job.prefix.slice(0, job.prefix.lastIndexOf('/') + 1)
  yield* walk(job, folderKey)
}

/** `folderKey` is empty or ends with a slash; so does the key of each folder in it. */
async function* walk(job: ListJob, folderKey: string): AsyncGenerator<BlobInfo> {
  for await (const key of keysIn(job, folderKey)) {
    throwIfAborted(job.signal)
    if (key.endsWith('/')) {
      yield* walk(job, key)
    } else {
      const info = await blobInfo(job.root, key)
      if (info !== null) yield info
    }
  }
}

/** Files and folders of one folder, in the order of the keys that they are or begin. */
async function* keysIn(job: ListJob, folderKey: string): AsyncGenerator<string> {
  const limit = job.namesAtOnce ?? NAMES_AT_ONCE
  let last = ''
  for (;;) {
    const page = await smallestKeys(job, folderKey, last, limit)
    yield* page
    const end = page.at(-1)
    if (end === undefined || page.length < limit) return
    last = end
  }
}

/** The `limit` smallest wanted keys behind `last`, holding at most twice as many. */
async function smallestKeys(
  job: ListJob,
  folderKey: string,
  last: string,
  limit: number,
): Promise<readonly string[]> {
  const found: string[] = []
  try {
    for await (const entry of await opendir(path.join(job.root, folderKey), { bufferSize: 1024 })) {
      if (!isSegment(entry.name)) continue
      const key = await keyOf(job.root, folderKey, entry)
      if (key === null || key <= last || !isWanted(job, key)) continue
      found.push(key)
      if (found.length >= 2 * limit) found.sort().splice(limit)
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
  }
  return found.sort().slice(0, limit)
}

async function keyOf(root: string, folderKey: string, entry: Dirent): Promise<string | null> {
  const key = folderKey + entry.name
  if (entry.isFile()) return key
  if (entry.isDirectory()) return `${key}/`
  try {
    const target = await stat(path.join(root, key))
    return target.isDirectory() ? `${key}/` : target.isFile() ? key : null
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}

function isWanted({ prefix, after }: ListJob, key: string): boolean {
  if (!key.endsWith('/')) return key > after && key.startsWith(prefix)
  return (key > after || after.startsWith(key)) && (key.startsWith(prefix) || prefix.startsWith(key))
}

async function blobInfo(root: string, key: string): Promise<BlobInfo | null> {
  try {
    const { size, mtime } = await stat(path.join(root, key))
    return { key, size, modified: mtime }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}
