import { open, readFile, rename, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { readHnswHeader, type HnswHeader } from './hnsw-header.js'
import { HNSW_FILES, PICKLE_FILE } from './hnsw-index.js'
import { parseIndexPickle, type IndexPickle } from './pickle.js'
import { syncFolder } from './sync-folder.js'
import { encodeIndexPickle } from './write-index-pickle.js'

const BLOCK_BYTES = 4 * 1024 * 1024
/** Third byte of an element; the first two are the number of its links. */
const FLAGS_OFFSET = 2
const DELETED = 1
const LENGTH_BYTES = 4

/**
 * How many vectors of these records the saved index of a segment has, and of records that were deleted from it
 * earlier: Chroma only marks those. 0 when the index was never saved.
 */
export async function findVectors(folder: string, ids: ReadonlySet<string>): Promise<number> {
  const pickle = await readPickle(folder)
  if (pickle === null) return 0
  const doomed = labelsOf(pickle, ids)
  let count = 0
  await eachElement(folder, 'r', (element) => {
    if (isDoomed(element, doomed) && !isWiped(element)) count++
    return false
  })
  return count
}

/**
 * Writes zeros over the vectors of these records, and of those deleted earlier, and marks them as deleted, as
 * Chroma does; then takes the records out of the list of ids. Links and labels stay, so that the index can be
 * searched as before. Nobody may have it loaded.
 */
export async function eraseVectors(folder: string, ids: ReadonlySet<string>): Promise<void> {
  const pickle = await readPickle(folder)
  if (pickle === null) return
  const doomed = labelsOf(pickle, ids)
  const wiped: number[] = []
  await eachElement(folder, 'r+', (element) => {
    if (!isDoomed(element, doomed) || isWiped(element)) return false
    element.bytes[FLAGS_OFFSET] = (element.bytes[FLAGS_OFFSET] ?? 0) | DELETED
    element.vector.fill(0)
    wiped.push(element.index)
    return true
  })
  await wipeLengths(folder, wiped)
  if (doomed.size === 0) return
  const idToLabel = new Map([...pickle.idToLabel].filter(([id]) => !ids.has(id)))
  await replacePickle(folder, { ...pickle, idToLabel })
}

/**
 * Writes zeros where an index has room but no elements. Chroma makes the files of a new index from memory that it
 * has used before, so that texts of any record can be in there until the index is saved for the first time.
 */
export async function wipeUnused(folder: string): Promise<void> {
  const saved = (await readPickle(folder)) !== null
  const used = saved ? await usedBytes(folder) : new Map<string, number>()
  for (const name of saved ? used.keys() : HNSW_FILES.filter((file) => file !== 'header.bin')) {
    const file = path.join(folder, name)
    try {
      await wipeFrom(file, used.get(name) ?? 0)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error
    }
  }
}

async function usedBytes(folder: string): Promise<ReadonlyMap<string, number>> {
  const { elements, elementSize } = await headerOf(folder)
  return new Map([
    ['data_level0.bin', elements * elementSize],
    ['length.bin', elements * LENGTH_BYTES],
  ])
}

async function wipeFrom(file: string, from: number): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    const { size } = await handle.stat()
    const zeros = Buffer.alloc(Math.min(BLOCK_BYTES, Math.max(0, size - from)))
    for (let at = from; at < size; at += zeros.length)
      await writeAll(handle, zeros.subarray(0, Math.min(zeros.length, size - at)), at)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function headerOf(folder: string): Promise<HnswHeader> {
  return readHnswHeader(await readFile(path.join(folder, 'header.bin')))
}

interface Element {
  readonly index: number
  readonly label: bigint
  readonly bytes: Buffer
  readonly vector: Buffer
}

function labelsOf({ idToLabel }: IndexPickle, ids: ReadonlySet<string>): ReadonlySet<bigint> {
  const labels = new Set<bigint>()
  for (const [id, label] of idToLabel) if (ids.has(id)) labels.add(BigInt(label))
  return labels
}

function isDoomed({ bytes, label }: Element, doomed: ReadonlySet<bigint>): boolean {
  return ((bytes[FLAGS_OFFSET] ?? 0) & DELETED) !== 0 || doomed.has(label)
}

function isWiped({ bytes, vector }: Element): boolean {
  return ((bytes[FLAGS_OFFSET] ?? 0) & DELETED) !== 0 && vector.every((byte) => byte === 0)
}

/** Calls `visit` for each element of `data_level0.bin`; blocks in which it has changed one are written back. */
async function eachElement(
  folder: string,
  mode: 'r' | 'r+',
  visit: (element: Element) => boolean,
): Promise<void> {
  const header = await headerOf(folder)
  const size = header.elementSize
  const count = header.elements
  const perBlock = Math.max(1, Math.floor(BLOCK_BYTES / size))
  const handle = await open(path.join(folder, 'data_level0.bin'), mode)
  try {
    const block = Buffer.allocUnsafe(perBlock * size)
    for (let first = 0; first < count; first += perBlock) {
      const { bytesRead } = await handle.read(
        block,
        0,
        Math.min(perBlock, count - first) * size,
        first * size,
      )
      let changed = false
      for (let row = 0; (row + 1) * size <= bytesRead; row++) {
        const element = elementOf(block.subarray(row * size, (row + 1) * size), first + row, header)
        changed = visit(element) || changed
      }
      if (changed) await writeAll(handle, block.subarray(0, bytesRead), first * size)
      if (bytesRead < Math.min(perBlock, count - first) * size) break
    }
    if (mode === 'r+') await handle.sync()
  } finally {
    await handle.close()
  }
}

function elementOf(bytes: Buffer, index: number, header: HnswHeader): Element {
  const [labelAt, vectorAt] = [header.labelOffset, header.dataOffset]
  return { index, bytes, label: bytes.readBigUInt64LE(labelAt), vector: bytes.subarray(vectorAt, labelAt) }
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, position + at)
    at += bytesWritten
  }
}

/** The lengths of the original vectors; used by cosine, there for all. */
async function wipeLengths(folder: string, elements: readonly number[]): Promise<void> {
  let handle
  try {
    handle = await open(path.join(folder, 'length.bin'), 'r+')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return
    throw error
  }
  try {
    const { size } = await handle.stat()
    const zeros = Buffer.alloc(LENGTH_BYTES)
    for (const index of elements)
      if ((index + 1) * LENGTH_BYTES <= size) await writeAll(handle, zeros, index * LENGTH_BYTES)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function readPickle(folder: string): Promise<IndexPickle | null> {
  try {
    return parseIndexPickle(await readFile(path.join(folder, PICKLE_FILE)))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}

async function replacePickle(folder: string, pickle: IndexPickle): Promise<void> {
  const temporary = path.join(folder, `${PICKLE_FILE}.new`)
  const handle = await open(temporary, 'w', 0o644)
  try {
    for (const piece of encodeIndexPickle(pickle)) await handle.appendFile(piece)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, path.join(folder, PICKLE_FILE))
  await syncFolder(folder)
}
