import { setImmediate } from 'node:timers/promises'

import { throwIfAborted } from '../core/errors.js'
import { PackedRows } from './packed-rows.js'
import type { IdPieces } from './segment-vectors.js'
import type { Database, SqlRow } from './sqlite.js'

const PAGE_ROWS = 20_000

/**
 * The ids in a metadata segment in the order of their bytes, page by page. A whole page of them comes as one value: a row that crosses from
 * the library into JavaScript costs more than everything else.
 */
export async function* packedIds(
  database: Database,
  segmentId: string,
  signal?: AbortSignal,
): AsyncGenerator<IdPieces> {
  let last: Uint8Array | null = null
  for (;;) {
    throwIfAborted(signal)
    const behind: string = last === null ? '' : 'AND embedding_id > CAST(? AS TEXT)'
    const sql = `SELECT CAST(group_concat(length(CAST(embedding_id AS BLOB)) || ' ' || embedding_id, '') AS BLOB) AS packed
      FROM (SELECT embedding_id FROM embeddings WHERE segment_id = ? ${behind} ORDER BY embedding_id LIMIT ${PAGE_ROWS})`
    const found: SqlRow | undefined = database.get(sql, segmentId, ...(last === null ? [] : [last]))
    const packed = found?.['packed']
    if (!(packed instanceof Uint8Array) || packed.length === 0) return
    const rows = new PackedRows(packed)
    const starts = new Int32Array(PAGE_ROWS)
    const ends = new Int32Array(PAGE_ROWS)
    let count = 0
    for (; !rows.ended; count++) {
      const length = rows.number()
      starts[count] = rows.at
      rows.at += length
      ends[count] = rows.at
    }
    last = packed.subarray(starts[count - 1], ends[count - 1])
    yield { bytes: packed, starts: starts.subarray(0, count), ends: ends.subarray(0, count) }
    await setImmediate()
  }
}
