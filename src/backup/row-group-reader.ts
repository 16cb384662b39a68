import { JsonSyntaxError } from '../core/json.js'
import type { RecordBatch } from '../core/records.js'
import type { Catalogue, RowGroup } from './catalogue.js'
import { ObjectDamagedError } from './errors.js'
import type { ObjectReader, ReadPurpose } from './object-reader.js'
import { objectKey, type Extent } from './object-reference.js'
import { decodeLine, type PayloadRow } from './payload-lines.js'

/** A batch has at most so many bytes of vectors, or of payload. */
export const BATCH_BYTES = 4 * 1024 * 1024
const NEWLINE = 10

export interface RowGroupReadJob {
  readonly objects: ObjectReader
  readonly catalogue: Catalogue
  readonly purpose: ReadPurpose
}

/** One row group, in one or more batches. */
export async function* readRowGroup(
  job: RowGroupReadJob,
  group: RowGroup,
  vectors: Buffer,
): AsyncGenerator<RecordBatch> {
  const dimension = job.catalogue.definition.dimension ?? 0
  const maximumRows = rowsOfBatch(dimension)
  let rows: PayloadRow[] = []
  let payloadBytes = 0
  let first = 0
  const batch = () => batchOf({ group, dimension, vectors, first, rows })
  const lines = new Lines(job, group.payload)
  for (;;) {
    const line = lines.take()
    if (line === undefined) {
      if (await lines.more()) continue
      break
    }
    rows.push(rowOf(job, group, line))
    payloadBytes += line.length
    if (rows.length < maximumRows && payloadBytes < BATCH_BYTES) continue
    if (first + rows.length > group.rows) break
    yield batch()
    first += rows.length
    rows = []
    payloadBytes = 0
  }
  if (first + rows.length !== group.rows) {
    throw lacksRecords(job, group)
  }
  if (rows.length > 0) yield batch()
}

/** So many rows have vectors of {@link BATCH_BYTES}. */
export function rowsOfBatch(dimension: number): number {
  return dimension === 0 ? Infinity : Math.max(1, Math.floor(BATCH_BYTES / (dimension * 4)))
}

export function fetchVectors({ objects, catalogue, purpose }: RowGroupReadJob, group: RowGroup) {
  const vectors = objects.readExtents(catalogue.objects, group.vectors, purpose)
  // Whoever awaits it sees the failure; nobody may be there yet.
  vectors.catch(() => undefined)
  return vectors
}

export function lacksRecords(job: RowGroupReadJob, { rows, payload }: RowGroup): ObjectDamagedError {
  return inconsistent(job, payload, `does not have the ${rows} records of its row group`)
}

/** Names the objects behind `extents`. */
export function inconsistent(
  { objects, catalogue, purpose }: RowGroupReadJob,
  extents: readonly Extent[],
  detail: string,
): ObjectDamagedError {
  const keys = extents.flatMap(([object]) => catalogue.objects[object] ?? []).map(objectKey)
  const damage = { key: [...new Set(keys)].join(' '), backup: objects.backup, collection: purpose.collection }
  return new ObjectDamagedError('inconsistent', damage, detail)
}

/** Lines in pieces, for a wait costs more than a line. One may begin in an extent and end in the next. */
export async function* linesOf(
  { objects, catalogue, purpose }: RowGroupReadJob,
  extents: readonly Extent[],
): AsyncGenerator<readonly Buffer[], undefined> {
  let rest: Buffer[] = []
  for (const extent of extents) {
    const bytes = await objects.readExtents(catalogue.objects, [extent], purpose)
    const lines: Buffer[] = []
    let at = 0
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, at)) {
      const line = bytes.subarray(at, end)
      lines.push(rest.length === 0 ? line : Buffer.concat([...rest, line]))
      rest = []
      at = end + 1
    }
    if (at < bytes.length) rest.push(bytes.subarray(at))
    yield lines
  }
  if (rest.length > 0) yield [Buffer.concat(rest)]
  return undefined
}

/** One line after the other, waiting only where the next piece is read. */
export class Lines {
  readonly #pieces: AsyncGenerator<readonly Buffer[], undefined>
  #piece: readonly Buffer[] = []
  #next = 0

  constructor(job: RowGroupReadJob, extents: readonly Extent[]) {
    this.#pieces = linesOf(job, extents)
  }

  /** The next line of the piece, undefined at its end. */
  take(): Buffer | undefined {
    return this.#piece[this.#next++]
  }

  /** Goes to the next piece; false when there is none. */
  async more(): Promise<boolean> {
    const { value } = await this.#pieces.next()
    this.#piece = value ?? []
    this.#next = 0
    return value !== undefined
  }

  /** The next line, in whichever piece. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const line = this.take()
      if (line !== undefined || !(await this.more())) return line
    }
  }
}

export function rowOf(job: RowGroupReadJob, group: RowGroup, line: Buffer): PayloadRow {
  try {
    const row = decodeLine(line.toString('utf8'))
    if (row !== undefined) return row
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
  }
  throw inconsistent(job, group.payload, 'holds a line that is not a record')
}

function batchOf(part: {
  readonly group: RowGroup
  readonly dimension: number
  readonly vectors: Buffer
  readonly first: number
  readonly rows: readonly PayloadRow[]
}): RecordBatch {
  const { group, dimension, vectors, first, rows } = part
  const stride = dimension * 4
  const last = first + rows.length
  const missing: number[] = []
  for (const [start, count] of group.missing) {
    for (let row = Math.max(start, first); row < Math.min(start + count, last); row++)
      missing.push(row - first)
  }
  return {
    ids: rows.map(({ id }) => id),
    dimension,
    embeddings: floatsOf(vectors.subarray(first * stride, last * stride)),
    missingEmbeddings: missing,
    documents: rows.map(({ document }) => document),
    uris: rows.map(({ uri }) => uri),
    metadatas: rows.map(({ metadata }) => metadata),
  }
}

export function floatsOf(bytes: Buffer): Float32Array {
  const { buffer, byteOffset, byteLength } = bytes
  if (byteOffset % 4 === 0) return new Float32Array(buffer, byteOffset, byteLength / 4)
  const floats = new Float32Array(byteLength / 4)
  new Uint8Array(floats.buffer).set(bytes)
  return floats
}
