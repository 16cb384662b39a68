import { open, readFile, stat, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, throwIfAborted } from '../core/errors.js'
import { HnswError } from './errors.js'
import { readHnswHeader, type HnswHeader } from './hnsw-header.js'
import { walkLinkLists, type LinkListState } from './link-lists.js'

/** The files of an index, as hnswlib writes them. `index_metadata.pickle` is Chroma's own. */
export const HNSW_FILES = ['header.bin', 'data_level0.bin', 'length.bin', 'link_lists.bin'] as const
export const PICKLE_FILE = 'index_metadata.pickle'

/** Consecutive elements of an index. */
export interface HnswBlock {
  /** Position of the first one. */
  readonly first: number
  readonly count: number
  /** Labels, in the order of the positions. Valid until the next block. */
  readonly labels: Float64Array
  /** 1 where the element is deleted. */
  readonly deleted: Uint8Array
  /** The elements themselves, `count × elementSize` bytes. */
  readonly bytes: Uint8Array
}

/** Sizes of a file in bytes; `allocated` is less for a sparse one. Null when it is not there. */
export interface HnswFileSize {
  readonly apparent: number
  readonly allocated: number
}

/** The files of one vector segment, opened for reading; nothing of them is kept in memory. */
export interface HnswIndex {
  readonly folder: string
  readonly header: HnswHeader
  readonly data: FileHandle
  sizes(): Promise<ReadonlyMap<string, HnswFileSize | null>>
  /** All elements, block by block. Rejects with {@link HnswError} when the file is too short. */
  blocks(signal?: AbortSignal): AsyncIterable<HnswBlock>
  /** Factors that give cosine vectors their length back, by position; null when there is no `length.bin`. */
  lengths(): Promise<Float32Array | null>
  /** Goes through `link_lists.bin` without loading it. */
  walkLinks(signal?: AbortSignal): Promise<LinkListState>
  close(): Promise<void>
}

const BLOCK_BYTES = 4 * 1024 * 1024
const DELETED = 1

/**
 * Opens the index in a folder. Rejects with {@link HnswError} when `header.bin` or `data_level0.bin` is missing
 * or damaged.
 */
export async function openHnswIndex(folder: string): Promise<HnswIndex> {
  const header = readHnswHeader(await readOr(path.join(folder, 'header.bin')))
  const data = await openOr(path.join(folder, 'data_level0.bin'))
  return {
    folder,
    header,
    data,
    sizes: () => sizesOf(folder),
    blocks: (signal) => blocksOf(data, header, signal),
    lengths: () => lengthsOf(path.join(folder, 'length.bin'), header),
    walkLinks: (signal) => walkLinkLists(path.join(folder, 'link_lists.bin'), header, signal),
    close: () => data.close(),
  }
}

async function* blocksOf(
  data: FileHandle,
  header: HnswHeader,
  signal: AbortSignal | undefined,
): AsyncGenerator<HnswBlock, void, undefined> {
  const { elements, elementSize, labelOffset } = header
  const perBlock = Math.max(1, Math.floor(BLOCK_BYTES / elementSize))
  const most = Math.min(perBlock, elements)
  const bytes = Buffer.allocUnsafeSlow(most * elementSize)
  const view = new DataView(bytes.buffer)
  const labels = new Float64Array(most)
  const deleted = new Uint8Array(most)
  for (let first = 0; first < elements; first += perBlock) {
    throwIfAborted(signal)
    const count = Math.min(perBlock, elements - first)
    await readFully(data, bytes.subarray(0, count * elementSize), first * elementSize)
    for (let at = 0; at < count; at++) {
      const element = at * elementSize
      labels[at] = labelAt(view, element + labelOffset)
      deleted[at] = (bytes[element + 2] ?? 0) & DELETED
    }
    yield {
      first,
      count,
      labels: labels.subarray(0, count),
      deleted: deleted.subarray(0, count),
      bytes: bytes.subarray(0, count * elementSize),
    }
  }
}

/** A label (u64); exact below 2^53. */
export function labelAt(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32
}

/** Rejects with {@link HnswError} when the file ends before. */
export async function readFully(data: FileHandle, target: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < target.length) {
    const { bytesRead } = await data.read(target, done, target.length - done, position + done)
    if (bytesRead === 0) throw new HnswError(`data_level0.bin ends at byte ${position + done}`)
    done += bytesRead
  }
}

async function lengthsOf(file: string, { elements }: HnswHeader): Promise<Float32Array | null> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
  if (bytes.length < elements * 4)
    throw new HnswError(`length.bin has ${bytes.length} bytes for ${elements} elements`)
  return new Float32Array(Uint8Array.prototype.slice.call(bytes, 0, elements * 4).buffer)
}

async function sizesOf(folder: string): Promise<ReadonlyMap<string, HnswFileSize | null>> {
  const sizes = new Map<string, HnswFileSize | null>()
  for (const name of [...HNSW_FILES, PICKLE_FILE]) {
    try {
      const { size, blocks } = await stat(path.join(folder, name))
      sizes.set(name, { apparent: size, allocated: blocks * 512 })
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
      sizes.set(name, null)
    }
  }
  return sizes
}

async function readOr(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw new HnswError(`${file} is missing`, { cause: error })
    throw error
  }
}

async function openOr(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw new HnswError(`${file} is missing`, { cause: error })
    throw error
  }
}
