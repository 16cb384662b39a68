import { stat } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { HnswError, PickleError } from './errors.js'
import type { HnswHeader } from './hnsw-header.js'
import { openHnswIndex, PICKLE_FILE, type HnswIndex } from './hnsw-index.js'
import { readLabels } from './inspect-labels.js'
import { linkProblems } from './inspect-links.js'
import { IdTable } from './id-table.js'
import { LabelStates } from './label-states.js'
import { readIndexPickle, type IndexLabels } from './read-index-pickle.js'

/**
 * - `unsaved`: nothing was ever saved, or only vectors that have been deleted since: all is in the log.
 * - `missing`: it was saved, and is not there any more.
 * - `unreadable`: it is there, and which vectors it has cannot be told.
 */
export type IndexState = 'saved' | 'unsaved' | 'missing' | 'unreadable'

export interface IndexProblem {
  readonly kind: IndexProblemKind
  readonly text: string
}

export type IndexProblemKind =
  | 'missing'
  | 'file missing'
  | 'metadata damaged'
  | 'header damaged'
  | 'torn'
  | 'links damaged'
  | 'links bloated'
  | 'labels collide'
  | 'not finite'

/** The saved index of a collection, in memory: 1 byte per vector, and 16 to 32 per id. */
export interface IndexFacts {
  readonly state: IndexState
  readonly header: HnswHeader | null
  readonly problems: readonly IndexProblem[]
  /** The labels by id. Empty unless `saved`. */
  readonly ids: IdTable
  readonly labels: LabelStates
  readonly labelsGiven: number
  /** Of the pickle; releases before 0.5.6 kept the position there. */
  readonly maxSeqId: bigint | null
  readonly bytes: number
  readonly allocatedBytes: number
  /** What a server needs to hold it. */
  readonly memoryBytes: number
}

export interface IndexJob {
  readonly folder: string
  /** `max_seq_id` has a position of it: it was saved before. */
  readonly wasSaved: boolean
  /** Also look at every number of every vector. */
  readonly thorough: boolean
  readonly signal: AbortSignal | undefined
}

/** Reads the files of a vector segment. Rejects only with file system errors and AbortedError. */
export async function inspectIndex(job: IndexJob): Promise<IndexFacts> {
  const metadata = await readMetadata(path.join(job.folder, PICKLE_FILE), job.signal)
  if (metadata === null)
    return job.wasSaved ? without('missing', missing(await isThere(job.folder))) : unsaved()
  if (metadata instanceof PickleError)
    return without('unreadable', { kind: 'metadata damaged', text: metadata.message })
  if (metadata.labels.size === 0) return unsaved()
  let index: HnswIndex
  try {
    index = await openHnswIndex(job.folder)
  } catch (error) {
    if (!(error instanceof HnswError)) throw error
    const kind = error.message.endsWith('is missing') ? 'file missing' : 'header damaged'
    return without('unreadable', { kind, text: error.message })
  }
  try {
    return await inspectFiles(job, index, metadata)
  } finally {
    await index.close()
  }
}

async function readMetadata(
  file: string,
  signal: AbortSignal | undefined,
): Promise<IndexLabels | PickleError | null> {
  try {
    return await readIndexPickle(file, signal)
  } catch (error) {
    if (error instanceof PickleError) return error
    throw error
  }
}

async function inspectFiles(job: IndexJob, index: HnswIndex, metadata: IndexLabels): Promise<IndexFacts> {
  const { header } = index
  const sizes = await index.sizes()
  const problems: IndexProblem[] = []
  const absent = [...sizes].filter(([, size]) => size === null).map(([name]) => name)
  if (absent.length > 0)
    problems.push({
      kind: 'file missing',
      text: `there is no ${absent.join(', ')} in ${path.basename(job.folder)}`,
    })
  const { labels, unwritten, notFinite } = await readLabels(index, job)
  const lengthBytes = sizes.get('length.bin')?.apparent ?? 0
  if (unwritten > 0)
    problems.push({ kind: 'torn', text: `${unwritten} of ${header.elements} elements were never written` })
  else if (sizes.get('length.bin') != null && lengthBytes < header.elements * 4)
    problems.push({
      kind: 'torn',
      text: `length.bin has ${lengthBytes} bytes for ${header.elements} elements`,
    })
  if (notFinite > 0) problems.push({ kind: 'not finite', text: `${notFinite} vectors with NaN or infinity` })
  const links = await index.walkLinks(job.signal)
  problems.push(...linkProblems(links, sizes.get('link_lists.bin') ?? null))
  const collision = metadata.highest - metadata.totalElementsAdded
  if (collision > 0)
    problems.push({
      kind: 'labels collide',
      text: `${metadata.totalElementsAdded} vectors were added by its count, and one has the number ${metadata.highest}`,
    })
  const files = [...sizes.values()].flatMap((size) => size ?? [])
  return {
    state: 'saved',
    header,
    problems,
    ids: metadata.labels,
    labels,
    labelsGiven: metadata.totalElementsAdded,
    maxSeqId: metadata.maxSeqId,
    bytes: files.reduce((sum, { apparent }) => sum + apparent, 0),
    allocatedBytes: files.reduce((sum, { allocated }) => sum + allocated, 0),
    memoryBytes:
      header.maxElements * (header.elementSize + PER_ELEMENT) + links.bytes + metadata.labels.size * PER_ID,
  }
}

/** Its length, its level, its lock, its place among the labels. */
const PER_ELEMENT = 100
/** Two hash maps with the id in each. */
const PER_ID = 160

function without(state: IndexState, problem: IndexProblem): IndexFacts {
  return { ...unsaved(), state, problems: [problem] }
}

function unsaved(): IndexFacts {
  return {
    state: 'unsaved',
    header: null,
    problems: [],
    ids: new IdTable(),
    labels: new LabelStates(),
    labelsGiven: 0,
    maxSeqId: null,
    bytes: 0,
    allocatedBytes: 0,
    memoryBytes: 0,
  }
}

function missing(hasFolder: boolean): IndexProblem {
  return {
    kind: 'missing',
    text: hasFolder ? 'its folder has no index_metadata.pickle' : 'its folder is not there',
  }
}

async function isThere(folder: string): Promise<boolean> {
  try {
    return (await stat(folder)).isDirectory()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}
