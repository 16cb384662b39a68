import type { ChromaApi } from '../chroma/api.js'
import { removeMetadata, type MetadataRemoval } from '../chroma/remove-metadata.js'
import { serverLookup } from '../chroma/server-lookup.js'
import { ServerCollectionWriter } from '../chroma/server-sink.js'
import { pickRows } from '../core/batch-rows.js'
import type { CollectionDefinition, RecordBatch, RecordLookup, Space } from '../core/records.js'
import { compareRecord, type ToleratedCount } from './compare-record.js'
import type { Difference } from './comparison.js'
import { CopyDiffersError } from './copy-errors.js'
import { valueText } from './value-text.js'

/** A row of the source that differs on the target. */
export interface DifferingRow {
  readonly row: number
  readonly found: RecordBatch
  readonly foundRow: number
  readonly differences: readonly Difference[]
}

/** A piece of the source, and how the target differs from it. */
export interface PieceDifference {
  readonly piece: RecordBatch
  /** Rows that the target does not have. */
  readonly missing: readonly number[]
  readonly differing: readonly DifferingRow[]
}

const UPDATE_AT_ONCE = 1000
const ABSENT = valueText(undefined)

/**
 * Makes records of one collection equal to given ones, and reads them back. A record that differs is written
 * over, so that it stays in its place and is never away; only what Chroma cannot write over (a document or URI
 * that is to go) is deleted and added again, behind all others.
 */
export class TargetWriter {
  readonly #api: ChromaApi
  readonly #collection: CollectionDefinition
  readonly #space: Space
  readonly #lookup: RecordLookup
  readonly #adder: ServerCollectionWriter
  readonly #replacer: ServerCollectionWriter

  /** `space`: of the source, how exact its vectors can be. */
  constructor(api: ChromaApi, collection: CollectionDefinition, space: Space) {
    this.#api = api
    this.#collection = collection
    this.#space = space
    this.#lookup = serverLookup(api, collection)
    this.#adder = new ServerCollectionWriter(api, collection)
    this.#replacer = new ServerCollectionWriter(api, collection, { existing: 'replace' })
  }

  /** How the target's records differ from a piece of the source; rows in `without` have no vector, and count as there. */
  async compare(
    piece: RecordBatch,
    tolerated: ToleratedCount,
    signal: AbortSignal | undefined,
  ): Promise<PieceDifference & { readonly found: readonly string[] }> {
    const found = await this.#lookup.fetch(piece.ids, signal)
    const rows = new Map(found.ids.map((id, row) => [id, row]))
    const without = new Set(piece.missingEmbeddings)
    const missing: number[] = []
    const differing: DifferingRow[] = []
    piece.ids.forEach((id, row) => {
      if (without.has(row)) return
      const foundRow = rows.get(id)
      if (foundRow === undefined) missing.push(row)
      else {
        const pair = [
          { batch: piece, row },
          { batch: found, row: foundRow },
        ] as const
        const differences = compareRecord(...pair, this.#space, tolerated)
        if (differences.length > 0) differing.push({ row, found, foundRow, differences })
      }
    })
    return { piece, missing, differing, found: found.ids }
  }

  /** Rejects with a {@link CopyDiffersError} when the target does not keep what was written. */
  async bring(difference: PieceDifference, signal: AbortSignal | undefined): Promise<void> {
    const { piece, missing, differing } = difference
    if (missing.length + differing.length === 0) return
    if (missing.length > 0) await this.#adder.write(pickRows(piece, missing), signal)
    await this.#writeOver(difference, signal)
    const written = [...missing, ...differing.map(({ row }) => row)].sort((a, b) => a - b)
    const again = await this.#readBack(pickRows(piece, written), signal)
    if (again.differing.length + again.missing.length === 0) return
    // Writing over merges metadata, and new records can show lists of deleted ones, which Chroma does not delete:
    // keys that are too many are taken away, and nothing is written again for them.
    const stripped = again.differing.filter(isOnlyMore)
    await this.#remove(stripped, again.piece, signal)
    const rows = [
      ...again.missing,
      ...again.differing.filter((row) => !isOnlyMore(row)).map(({ row }) => row),
    ]
    await this.#rewrite(pickRows(again.piece, rows), signal)
    const last = await this.#readBack(again.piece, signal)
    const wrong = last.differing.length + last.missing.length
    if (wrong === 0) return
    const samples = last.differing.flatMap(({ differences }) => differences).slice(0, 20)
    throw new CopyDiffersError(this.#collection, wrong, samples)
  }

  async #writeOver({ piece, differing }: PieceDifference, signal: AbortSignal | undefined): Promise<void> {
    if (differing.length === 0) return
    const gone = differing.filter((row) => losesText(piece, row))
    const kept = differing.filter((row) => !losesText(piece, row))
    const over = kept.filter((row) => !isOnlyMore(row)).map(({ row }) => row)
    if (over.length > 0) await this.#replacer.write(pickRows(piece, over), signal)
    await this.#rewrite(
      pickRows(
        piece,
        gone.map(({ row }) => row),
      ),
      signal,
    )
  }

  async #rewrite(records: RecordBatch, signal: AbortSignal | undefined): Promise<void> {
    if (records.ids.length === 0) return
    await this.#api.deleteRecords(this.#collection, records.ids, signal)
    await this.#adder.write(records, signal)
  }

  /** Takes the keys away that only the target's records have. */
  async #remove(
    rows: readonly DifferingRow[],
    piece: RecordBatch,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const removals = rows.flatMap((row) => removalOf(piece, row))
    const size = Math.min(UPDATE_AT_ONCE, this.#api.mostPerRequest)
    for (let at = 0; at < removals.length; at += size)
      await removeMetadata(this.#api.transport, this.#collection, removals.slice(at, at + size), signal)
  }

  #readBack(piece: RecordBatch, signal: AbortSignal | undefined) {
    return this.compare(piece, { metadataFloats: 0, vectors: 0 }, signal)
  }
}

function removalOf(piece: RecordBatch, { row, found, foundRow }: DifferingRow): readonly MetadataRemoval[] {
  const keys = extraKeys(piece, row, found, foundRow)
  const id = piece.ids[row]
  return keys.length === 0 || id === undefined ? [] : [{ id, keys }]
}

function extraKeys(piece: RecordBatch, row: number, found: RecordBatch, foundRow: number): readonly string[] {
  const expected = piece.metadatas[row]
  return [...(found.metadatas[foundRow]?.keys() ?? [])].filter((key) => expected?.has(key) !== true)
}

/** The target's record has more metadata than it should, and is equal otherwise. */
function isOnlyMore({ differences }: DifferingRow): boolean {
  return differences.every(({ field, expected }) => field.startsWith('metadata.') && expected === ABSENT)
}

function losesText(piece: RecordBatch, { row, found, foundRow }: DifferingRow): boolean {
  const loses = (column: 'documents' | 'uris') =>
    (piece[column][row] ?? null) === null && (found[column][foundRow] ?? null) !== null
  return loses('documents') || loses('uris')
}
