import { open, stat } from 'node:fs/promises'

import { isErrno, throwIfAborted } from '../core/errors.js'
import type { HnswHeader } from './hnsw-header.js'

/** What a walk through `link_lists.bin` found. */
export interface LinkListState {
  /** Elements whose list is there and possible. All of the index when the file is well. */
  readonly elements: number
  /** Where the walk ended: behind the last possible list. Bytes. */
  readonly bytes: number
  /** Why the walk did not reach the last element; null when all is well. */
  readonly problem: string | null
}

const WINDOW = 1024 * 1024
/** Nothing has more levels: the number falls by a factor of M from one to the next. */
const MAX_LEVELS = 64

/**
 * `link_lists.bin` holds for each element the size (u32) of its links on upper levels, then these. Reads the
 * sizes and skips the links: a file that has grown out of bounds, with holes, is told after its first elements.
 */
export async function walkLinkLists(
  file: string,
  header: HnswHeader,
  signal?: AbortSignal,
): Promise<LinkListState> {
  let size: number
  try {
    size = (await stat(file)).size
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return { elements: 0, bytes: 0, problem: 'the file is missing' }
    throw error
  }
  const handle = await open(file, 'r')
  try {
    const perLevel = 4 * header.maxM + 4
    const most = perLevel * Math.min(Math.max(header.maxLevel, 0), MAX_LEVELS)
    const window = Buffer.allocUnsafeSlow(WINDOW)
    let [start, end] = [0, 0]
    let at = 0
    for (let element = 0; element < header.elements; element++) {
      if (at + 4 > size) return { elements: element, bytes: at, problem: 'the file is cut off' }
      if (at < start || at + 4 > end) {
        throwIfAborted(signal)
        const { bytesRead } = await handle.read(window, 0, WINDOW, at)
        ;[start, end] = [at, at + bytesRead]
        if (at + 4 > end) return { elements: element, bytes: at, problem: 'the file is cut off' }
      }
      const length = window.readUInt32LE(at - start)
      if (length > most || length % perLevel !== 0)
        return { elements: element, bytes: at, problem: `element ${element} has links of ${length} bytes` }
      at += 4 + length
    }
    if (at > size) return { elements: header.elements, bytes: at, problem: 'the file is cut off' }
    return { elements: header.elements, bytes: at, problem: null }
  } finally {
    await handle.close()
  }
}
