import { withPending, type PendingRecord, type PendingWrites } from './pending-writes.js'
import type { RecordPage } from './record-pages.js'

const ROWS = 1000

/** A stored page after what the log does to it. */
export function changedPage(page: RecordPage, { deleted, changed }: PendingWrites): RecordPage {
  if (deleted.size === 0 && changed.size === 0) return page
  const rows = [...page.ids.keys()].filter((row) => !deleted.has(page.ids[row] ?? ''))
  const pick = <T>(values: readonly T[]): T[] => values.filter((_, row) => !deleted.has(page.ids[row] ?? ''))
  const result: RecordPage = {
    ids: pick(page.ids),
    pieces: {
      bytes: page.pieces.bytes,
      starts: Int32Array.from(rows, (row) => page.pieces.starts[row] ?? 0),
      ends: Int32Array.from(rows, (row) => page.pieces.ends[row] ?? 0),
    },
    documents: pick(page.documents),
    uris: pick(page.uris),
    metadatas: pick(page.metadatas),
  }
  for (const [row, id] of result.ids.entries()) {
    const pending = changed.get(id)
    if (pending !== undefined && !pending.added) applyTo(result, row, pending)
  }
  return result
}

/** Records that the log adds, in pages. */
export function* addedPages({ changed }: PendingWrites): Generator<RecordPage> {
  const added = [...changed].filter(([, record]) => record.added)
  for (let from = 0; from < added.length; from += ROWS) {
    const records = added.slice(from, from + ROWS)
    const ids = records.map(([id]) => id)
    const encoded = ids.map((id) => Buffer.from(id))
    const starts = new Int32Array(ids.length)
    const ends = new Int32Array(ids.length)
    let at = 0
    for (const [row, { length }] of encoded.entries()) {
      starts[row] = at
      at += length
      ends[row] = at
    }
    const nulls = () => new Array<null>(ids.length).fill(null)
    const pieces = { bytes: Buffer.concat(encoded), starts, ends }
    const page: RecordPage = { ids, pieces, documents: nulls(), uris: nulls(), metadatas: nulls() }
    for (const [row, [, record]] of records.entries()) applyTo(page, row, record)
    yield page
  }
}

function applyTo(page: RecordPage, row: number, pending: PendingRecord): void {
  if (pending.document !== undefined) page.documents[row] = pending.document
  if (pending.uri !== undefined) page.uris[row] = pending.uri
  page.metadatas[row] = withPending(page.metadatas[row] ?? null, pending)
}
