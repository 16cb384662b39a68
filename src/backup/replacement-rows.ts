import type { RowGroup } from './catalogue.js'
import { decodeIndexPage, type IndexRow } from './index-page.js'
import type { PayloadRow } from './payload-lines.js'
import {
  fetchVectors,
  floatsOf,
  inconsistent,
  lacksRecords,
  Lines,
  rowOf,
  type RowGroupReadJob,
} from './row-group-reader.js'

/** One record, apart from its neighbours. */
export interface ReplacementRow {
  readonly payload: PayloadRow
  readonly vector: Float32Array
  /** The source had lost the vector. */
  readonly isMissing: boolean
  /** Of the payload, as stored before compression. */
  readonly bytes: number
}

/**
 * The replacements of a layer by number, to be asked for in ascending order; those in between are not decoded, and
 * row groups in between not read. Memory: one row group.
 */
export class ReplacementRows {
  readonly #job: RowGroupReadJob
  readonly #groups: GroupCursor
  #dimension: number
  #vectors: Float32Array = new Float32Array(0)
  #lines: Lines | null = null
  /** Number of the line that comes next, within the group. */
  #next = 0

  constructor(job: RowGroupReadJob, groups: readonly RowGroup[]) {
    this.#job = withOwnCache(job)
    this.#groups = new GroupCursor(groups)
    this.#dimension = job.catalogue.definition.dimension ?? 0
  }

  async take(number: number): Promise<ReplacementRow> {
    const { group, row, isNew } = this.#groups.seek(number)
    if (isNew) await this.#open(group)
    const line = await this.#line(group, row)
    return {
      payload: rowOf(this.#job, group, line),
      vector: this.#vectors.subarray(row * this.#dimension, (row + 1) * this.#dimension),
      isMissing: isMissing(group, row),
      bytes: line.length,
    }
  }

  async #open(group: RowGroup): Promise<void> {
    const lines = new Lines(this.#job, group.payload)
    this.#lines = lines
    this.#next = 0
    const [vectors] = await Promise.all([fetchVectors(this.#job, group), lines.more()])
    this.#vectors = floatsOf(vectors)
  }

  async #line(group: RowGroup, row: number): Promise<Buffer> {
    for (;;) {
      const line = this.#lines?.take() ?? (await this.#lines?.next())
      if (line === undefined) throw lacksRecords(this.#job, group)
      if (this.#next++ === row) return line
    }
  }
}

/** The index rows of a layer's replacements, in the same way. */
export class ReplacementIndex {
  readonly #job: RowGroupReadJob
  readonly #groups: GroupCursor
  #page: readonly IndexRow[] = []

  constructor(job: RowGroupReadJob, groups: readonly RowGroup[]) {
    this.#job = withOwnCache(job)
    this.#groups = new GroupCursor(groups)
  }

  async take(number: number): Promise<IndexRow> {
    const { group, row, isNew } = this.#groups.seek(number)
    if (isNew) this.#page = await readIndexPage(this.#job, group)
    const found = this.#page[row]
    if (found === undefined) throw inconsistent(this.#job, group.index, 'does not have the rows it should')
    return found
  }
}

/** Rejects with an ObjectDamagedError when the page does not have the rows of its group. */
export async function readIndexPage(job: RowGroupReadJob, group: RowGroup): Promise<readonly IndexRow[]> {
  const page = await job.objects.readExtents(job.catalogue.objects, group.index, job.purpose)
  const rows = [...decodeIndexPage(page)].filter((row) => row !== undefined)
  if (rows.length !== group.rows) throw inconsistent(job, group.index, 'does not have the rows it should')
  return rows
}

export function isMissing({ missing }: RowGroup, row: number): boolean {
  return missing.some(([first, rows]) => row >= first && row < first + rows)
}

/** Layers are read side by side: the objects of one must not drive out those of another. */
function withOwnCache(job: RowGroupReadJob): RowGroupReadJob {
  return { ...job, purpose: { ...job.purpose, cache: new Map() } }
}

/** Finds the row group of a row by its number, in ascending order. */
class GroupCursor {
  readonly #groups: readonly RowGroup[]
  #index = -1
  /** Number of the first row of the group, and of the one behind its last. */
  #first = 0
  #end = 0

  constructor(groups: readonly RowGroup[]) {
    this.#groups = groups
  }

  seek(number: number): { readonly group: RowGroup; readonly row: number; readonly isNew: boolean } {
    const before = this.#index
    let group = this.#groups[this.#index]
    while (group === undefined || number >= this.#end) {
      group = this.#groups[++this.#index]
      if (group === undefined) throw new Error(`no replacement ${number}`)
      this.#first = this.#end
      this.#end += group.rows
    }
    return { group, row: number - this.#first, isNew: this.#index !== before }
  }
}
