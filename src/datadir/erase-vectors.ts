import { open, readFile, rename, stat, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { readHnswHeader, type HnswHeader } from './hnsw-header.js'
import { HNSW_FILES, PICKLE_FILE } from './hnsw-index.js'
import { fieldsOfPickle, labelsOfPickle } from './read-index-pickle.js'
import { syncFolder } from './sync-folder.js'
import { encodeIndexPickle, type LabelledId } from './write-index-pickle.js'

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
  const doomed = await labelsOf(folder, ids)
  if (doomed === null) return 0
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
  const doomed = await labelsOf(folder, ids)
  if (doomed === null) return
  const wiped: number[] = []
  await eachElement(folder, 'r+', (element) => {
    if (!isDoomed(element, doomed) || isWiped(element)) return false
    element.bytes[FLAGS_OFFSET] = (element.bytes[FLAGS_OFFSET] ?? 0) | DELETED
    element.vector.fill(0)
    wiped.push(element.index)
    return true
  })
  await wipeLengths(folder, wiped)
  if (doomed.size > 0) await replacePickle(folder, ids)
}

/**
 * Writes zeros where an index has room but no elements. Chroma makes the files of a new index from memory that it
 * has used before, so that texts of any record can be in there until the index is saved for the first time; and in
 * `length.bin` for ever, where the index has no lengths: then hnswlib writes nothing over that memory.
 */
export async function wipeUnused(folder: string, { hasLengths }: { hasLengths: boolean }): Promise<void> {
  const saved = await isThere(path.join(folder, PICKLE_FILE))
  const used = saved ? await usedBytes(folder, hasLengths) : new Map<string, number>()
  for (const name of saved ? used.keys() : HNSW_FILES.filter((file) => file !== 'header.bin')) {
    const file = path.join(folder, name)
    try {
      await wipeFrom(file, used.get(name) ?? 0)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error
    }
  }
}

async function usedBytes(folder: string, hasLengths: boolean): Promise<ReadonlyMap<string, number>> {
  const { elements, elementSize } = await headerOf(folder)
  return new Map([
    ['data_level0.bin', elements * elementSize],
    ['length.bin', hasLengths ? elements * LENGTH_BYTES : 0],
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

/** Labels of the records; null when the index was never saved. */
async function labelsOf(folder: string, ids: ReadonlySet<string>): Promise<ReadonlySet<bigint> | null> {
  const file = path.join(folder, PICKLE_FILE)
  if ((await fieldsOfPickle(file)) === null) return null
  const labels = new Set<bigint>()
  for await (const some of labelsOfPickle(file))
    for (const [id, label] of some) if (ids.has(id)) labels.add(BigInt(label))
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

async function replacePickle(folder: string, without: ReadonlySet<string>): Promise<void> {
  const file = path.join(folder, PICKLE_FILE)
  const fields = await fieldsOfPickle(file)
  if (fields === null) return
  const handle = await open(`${file}.new`, 'w', 0o644)
  try {
    const pieces = encodeIndexPickle({
      labels: () => labelsWithout(file, without),
      totalElementsAdded: fields.totalElementsAdded,
    })
    for await (const piece of pieces) await handle.appendFile(piece)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${file}.new`, file)
  await syncFolder(folder)
}

async function* labelsWithout(file: string, ids: ReadonlySet<string>): AsyncGenerator<readonly LabelledId[]> {
  for await (const labels of labelsOfPickle(file)) yield labels.filter(([id]) => !ids.has(id))
}

async function isThere(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}
