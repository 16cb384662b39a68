import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { HnswError } from './errors.js'
import { HEADER_BYTES, readHnswHeader, type HnswHeader } from './hnsw-header.js'
import { PICKLE_FILE } from './hnsw-index.js'
import { dropDoubtful, readLabels } from './rescue-labels.js'

/** What the collection says of its index, for files that do not say it themselves any more. */
export interface ExpectedIndex {
  readonly dimension: number | null
  readonly maxNeighbours: number
  readonly cosine: boolean
  /** An index that was never saved has nothing in its files: all vectors are in the log. */
  readonly wasSaved: boolean
}

/** The state of the files after {@link repairIndexCopy}. */
export interface RepairedIndex {
  /** What was found wrong, one sentence each. */
  readonly notes: readonly string[]
  /** Ids of the vectors, as far as they are known. */
  readonly labels: ReadonlyMap<string, number>
  /** Elements with a vector that are in the file, whoever they belong to. */
  readonly elements: number
  /** Floats of a vector, as the files say; null when they don't. */
  readonly dimension: number | null
}

/**
 * Makes the files of an index readable as far as they go: in a private copy, never in the original. A header
 * that is gone is made from what the collection says; a file that ends early is taken to be as long as it is;
 * of a list of ids that is cut off, the beginning is used.
 */
export async function repairIndexCopy(folder: string, expected: ExpectedIndex): Promise<RepairedIndex> {
  const notes: string[] = []
  const labels = await readLabels(folder, notes)
  const allKnown = notes.length === 0
  if (labels.size === 0 && !expected.wasSaved) return { notes, labels, elements: 0, dimension: null }
  if (labels.size === 0 && notes.length === 0) notes.push(`${PICKLE_FILE} is missing`)
  const header = await repairHeader(folder, { ...expected, highest: highestOf(labels) }, notes)
  if (header === null) return { notes, labels, elements: 0, dimension: null }
  if (expected.cosine) await repairLengths(folder, header, notes)
  await dropDoubtful(folder, { header, cosine: expected.cosine, labels, allKnown, notes })
  return { notes, labels, elements: header.elements, dimension: header.dimension }
}

async function repairHeader(
  folder: string,
  expected: ExpectedIndex & { readonly highest: number },
  notes: string[],
): Promise<HnswHeader | null> {
  const data = await sizeOf(path.join(folder, 'data_level0.bin'))
  if (data === null) {
    notes.push('data_level0.bin is missing: its vectors are lost')
    return null
  }
  const file = path.join(folder, 'header.bin')
  let header = headerIn(await readIfThere(file), notes)
  if (header !== null && expected.dimension !== null && header.dimension !== expected.dimension) {
    notes.push(
      `header.bin speaks of ${header.dimension} dimensions, the collection of ${expected.dimension}; it was made anew`,
    )
    header = null
  }
  const isNew = header === null
  if (header === null) {
    if (expected.dimension === null) return null
    await writeFile(file, headerBytes(expected.dimension, expected.maxNeighbours, data))
    header = readHnswHeader(await readFile(file))
  }
  const there = Math.floor(data / header.elementSize)
  // Elements get their labels in order, from 1. What lies behind the last one is memory that was used before, in
  // which labels can stand a second time.
  const wanted = isNew ? expected.highest : Math.max(header.elements, expected.highest)
  const elements = isNew && wanted === 0 ? there : Math.min(there, wanted)
  if (there < header.elements) notes.push(`data_level0.bin ends after ${there} of ${header.elements} vectors`)
  if (elements !== header.elements) {
    await patchElements(file, elements)
    header = readHnswHeader(await readFile(file))
  }
  return header
}

function highestOf(labels: ReadonlyMap<string, number>): number {
  let highest = 0
  for (const label of labels.values()) highest = Math.max(highest, label)
  return highest
}

function headerIn(bytes: Buffer | null, notes: string[]): HnswHeader | null {
  try {
    if (bytes !== null) return readHnswHeader(bytes)
    notes.push('header.bin is missing; it was made from the settings of the collection')
  } catch (error) {
    if (!(error instanceof HnswError)) throw error
    notes.push(`${error.message}; it was made from the settings of the collection`)
  }
  return null
}

/** As {@link readHnswHeader} reads it; what only a search needs is left zero. */
function headerBytes(dimension: number, neighbours: number, dataBytes: number): Buffer {
  const [maxM, maxM0] = [neighbours, 2 * neighbours]
  const dataOffset = 4 + 4 * maxM0
  const labelOffset = dataOffset + 4 * dimension
  const elements = Math.floor(dataBytes / (labelOffset + 8))
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.writeInt32LE(1, 0)
  const sizes = [0, elements, elements, labelOffset + 8, labelOffset, dataOffset]
  for (const [index, size] of sizes.entries()) bytes.writeBigUInt64LE(BigInt(size), 4 + 8 * index)
  for (const [index, size] of [maxM, maxM0, maxM].entries())
    bytes.writeBigUInt64LE(BigInt(size), 60 + 8 * index)
  return bytes
}

async function patchElements(file: string, elements: number): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    const count = Buffer.alloc(16)
    // Room for elements, and elements.
    count.writeBigUInt64LE(BigInt(elements), 0)
    count.writeBigUInt64LE(BigInt(elements), 8)
    await handle.write(count, 0, 16, 12)
  } finally {
    await handle.close()
  }
}

/** Vectors of which the length is lost keep their direction, which is what cosine measures. */
async function repairLengths(folder: string, { elements }: HnswHeader, notes: string[]): Promise<void> {
  const file = path.join(folder, 'length.bin')
  const size = (await sizeOf(file)) ?? 0
  const whole = Math.floor(size / 4)
  if (whole >= elements) return
  notes.push(`length.bin ends after ${whole} of ${elements} lengths: the other vectors have length 1 now`)
  if (size > 0) await truncate(file, whole * 4)
  const ones = new Float32Array(elements - whole).fill(1)
  await writeFile(file, new Uint8Array(ones.buffer), { flag: 'a' })
}

async function readIfThere(file: string): Promise<Buffer | null> {
  try {
    return await readFile(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}

async function sizeOf(file: string): Promise<number | null> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}
