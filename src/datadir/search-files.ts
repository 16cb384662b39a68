import { open, readdir } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, throwIfAborted } from '../core/errors.js'
import type { BytePatterns } from './byte-patterns.js'

/** A pattern that is in a file. */
export interface FileHit {
  /** Relative to the directory. */
  readonly file: string
  /** Index of the pattern. */
  readonly pattern: number
}

export interface FileSearch {
  readonly files: number
  readonly bytes: number
  /** Each pattern at most once for a file. */
  readonly hits: readonly FileHit[]
}

const BLOCK_BYTES = 4 * 1024 * 1024

/**
 * Reads every regular file below a directory and finds which of the patterns occur in which. Symbolic links are
 * not followed; a file that goes away meanwhile is left out.
 */
export async function searchFiles(
  directory: string,
  patterns: BytePatterns,
  signal?: AbortSignal,
): Promise<FileSearch> {
  const hits: FileHit[] = []
  let [files, bytes] = [0, 0]
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  for (const entry of entries.filter((each) => each.isFile())) {
    const file = path.join(entry.parentPath, entry.name)
    const found = new Set<number>()
    const size = await searchFile(file, patterns, found, signal)
    if (size === null) continue
    files++
    bytes += size
    for (const pattern of found) hits.push({ file: path.relative(directory, file), pattern })
  }
  return { files, bytes, hits }
}

/** The size of the file, null when it is gone. */
async function searchFile(
  file: string,
  patterns: BytePatterns,
  found: Set<number>,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  let handle
  try {
    handle = await open(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
  try {
    // What a pattern may need of the next block is kept in front of it.
    const overlap = Math.max(0, patterns.longest - 1)
    const block = Buffer.allocUnsafe(BLOCK_BYTES + overlap)
    let kept = 0
    for (let size = 0; ;) {
      throwIfAborted(signal)
      const { bytesRead } = await handle.read(block, kept, BLOCK_BYTES, null)
      size += bytesRead
      const filled = kept + bytesRead
      const end = bytesRead === 0 ? filled : filled - overlap
      patterns.search(block.subarray(0, filled), end, (pattern) => found.add(pattern))
      if (bytesRead === 0) return size
      const from = Math.max(0, end)
      block.copyWithin(0, from, filled)
      kept = filled - from
    }
  } finally {
    await handle.close()
  }
}
