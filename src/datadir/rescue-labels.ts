import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { PickleError } from './errors.js'
import type { HnswHeader } from './hnsw-header.js'
import { openHnswIndex, PICKLE_FILE, type HnswBlock } from './hnsw-index.js'
import { IndexPickleParser } from './pickle.js'
import { encodeIndexPickle } from './write-index-pickle.js'

const PIECE = 4096
/** How far the length of a normalised vector may be from 1. */
const NORM_TOLERANCE = 1e-3

/**
 * The label of each id, as far as the list in a private copy can be read; the list is written anew where something
 * was wrong. The file has each pair twice: where they differ, neither is believed.
 */
export async function readLabels(folder: string, notes: string[]): Promise<Map<string, number>> {
  const labels = new Map<string, number>()
  const bytes = await readIfThere(path.join(folder, PICKLE_FILE))
  if (bytes === null) return labels
  const denied = new Set<string>()
  let problem: PickleError | null = null
  const parser = new IndexPickleParser(
    (source, from, to, label) => void labels.set(idOf(source, from, to), label),
    (source, from, to, label) => {
      const id = idOf(source, from, to)
      if (labels.get(id) !== label) denied.add(id)
    },
  )
  try {
    // In small pieces: what comes before the damage counts.
    for (let at = 0; at < bytes.length; at += PIECE) parser.push(bytes.subarray(at, at + PIECE))
    parser.end()
  } catch (error) {
    if (!(error instanceof PickleError)) throw error
    problem = error
  }
  const ids = new Map<number, string>()
  for (const [id, label] of labels) {
    const other = ids.get(label)
    if (other !== undefined) denied.add(id).add(other)
    else ids.set(label, id)
  }
  const before = labels.size
  for (const id of denied) labels.delete(id)
  if (problem !== null)
    notes.push(`${PICKLE_FILE} is damaged (${problem.message}); ${before} ids could be read of it`)
  if (before > labels.size)
    notes.push(`${PICKLE_FILE} contradicts itself on ${before - labels.size} ids: their vectors are left out`)
  if (problem !== null || before > labels.size) await writeLabels(folder, labels)
  return labels
}

/**
 * Takes ids out whose vector cannot be trusted: of labels that two elements have; of elements with more links than
 * fit, or beside one that no id belongs to, for damage seldom ends where an element does; and, in cosine collections,
 * of vectors that do not have length 1.
 */
export async function dropDoubtful(
  folder: string,
  {
    header,
    cosine,
    labels,
    allKnown,
    notes,
  }: {
    readonly header: HnswHeader
    readonly cosine: boolean
    readonly labels: Map<string, number>
    /** Whether the list of ids is whole, so that a label without an id is damage. */
    readonly allKnown: boolean
    readonly notes: string[]
  },
): Promise<void> {
  if (labels.size === 0) return
  const seen = new Set<number>()
  const twice = new Set<number>()
  const broken = new Set<number>()
  const beside = new Set<number>()
  const known = new Set(labels.values())
  const index = await openHnswIndex(folder)
  try {
    let [before, damaged] = [NaN, false]
    for await (const block of index.blocks())
      for (let at = 0; at < block.count; at++) {
        const label = block.labels[at] ?? 0
        if (seen.has(label)) twice.add(label)
        seen.add(label)
        if (cosine && !isNormalised(block, at, header)) broken.add(label)
        const alien = block.deleted[at] === 0 && !known.has(label)
        if (linksOf(block, at, header) > header.maxM0 || (alien && allKnown)) {
          for (const near of [before, label]) beside.add(near)
          damaged = true
        } else {
          if (damaged) beside.add(label)
          damaged = false
        }
        before = label
      }
  } finally {
    await index.close()
  }
  let [sharing, wrong, doubtful] = [0, 0, 0]
  for (const [id, label] of labels) {
    if (twice.has(label)) sharing++
    else if (broken.has(label)) wrong++
    else if (beside.has(label)) doubtful++
    else continue
    labels.delete(id)
  }
  if (sharing > 0) notes.push(`${sharing} ids have two vectors each: they are left out`)
  if (wrong > 0)
    notes.push(`${wrong} vectors are not normalised, as a cosine index has them: they are left out`)
  if (doubtful > 0) notes.push(`${doubtful} vectors lie beside damaged bytes: they are left out`)
  if (sharing + wrong + doubtful > 0) await writeLabels(folder, labels)
}

function isNormalised(
  { bytes }: HnswBlock,
  at: number,
  { elementSize, dataOffset, dimension }: HnswHeader,
): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at * elementSize + dataOffset, 4 * dimension)
  let sum = 0
  for (let offset = 0; offset < 4 * dimension; offset += 4) sum += view.getFloat32(offset, true) ** 2
  // A vector of zeros has no direction, and stays as it is.
  return sum === 0 || Math.abs(Math.sqrt(sum) - 1) <= NORM_TOLERANCE
}

function linksOf({ bytes }: HnswBlock, at: number, { elementSize }: HnswHeader): number {
  return (bytes[at * elementSize] ?? 0) + 256 * (bytes[at * elementSize + 1] ?? 0)
}

async function writeLabels(folder: string, labels: ReadonlyMap<string, number>): Promise<void> {
  const file = path.join(folder, PICKLE_FILE)
  if (labels.size === 0) {
    await rm(file)
    return
  }
  let totalElementsAdded = 0
  for (const label of labels.values()) totalElementsAdded = Math.max(totalElementsAdded, label)
  await writeFile(file, encodeIndexPickle({ labels: () => [[...labels]], totalElementsAdded }))
}

function idOf(source: Uint8Array, from: number, to: number): string {
  return Buffer.from(source.buffer, source.byteOffset + from, to - from).toString('utf8')
}

async function readIfThere(file: string): Promise<Buffer | null> {
  try {
    return await readFile(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}
