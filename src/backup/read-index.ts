import { DELETED, LayerEdits, OWN, placedGroups } from './layer-edits.js'
import { readAhead } from '../core/read-ahead.js'
import { readIndexPage, ReplacementIndex } from './replacement-rows.js'
import type { IndexRow } from './index-page.js'
import type { RowGroupReadJob } from './row-group-reader.js'

/** The digests of a record as it is now, and its place, see `Layer`. */
export interface PlacedRow extends IndexRow {
  readonly place: number
}

/**
 * Ids and digests of the records of a collection, in order, from index pages alone; in pieces of a row group.
 * Rejects with an ObjectDamagedError.
 */
export function readIndex(job: RowGroupReadJob): AsyncGenerator<readonly PlacedRow[]> {
  return readAhead(pages(job), 1)
}

async function* pages(job: RowGroupReadJob): AsyncGenerator<readonly PlacedRow[]> {
  const { layers } = job.catalogue
  const edits = layers.length === 0 ? null : await LayerEdits.read(job)
  const replacements = layers.map((layer) => new ReplacementIndex(job, layer.replacements))
  for (const placed of placedGroups(job.catalogue)) {
    const fates = edits?.of(placed)
    const rows: PlacedRow[] = []
    for (const [row, own] of (await readIndexPage(job, placed.group)).entries()) {
      const layer = fates?.layers[row] ?? OWN
      if (layer === DELETED) continue
      const replacement = replacements[layer - 1]
      const latest = replacement === undefined ? own : await replacement.take(fates?.rows[row] ?? 0)
      rows.push({ id: latest.id, payload: latest.payload, vector: latest.vector, place: placed.first + row })
    }
    yield rows
  }
}
