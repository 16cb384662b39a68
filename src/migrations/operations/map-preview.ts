import type { RecordBatch } from '../../core/records.js'
import type { EmbeddingCache } from '../embedding-cache.js'
import type { Stage } from './map-stages.js'
import { rowsOf, sameRow, type Row } from './record-rows.js'

/** What a chain would do to some records. */
export interface MapPreview {
  readonly records: number
  /** Records in whose document, URI, metadata or vector a function changed something. */
  readonly changed: number
  readonly dropped: number
  /** The texts that a provider would be asked for, one for each record that is left. */
  readonly texts: readonly string[]
  /** How many different ones of them are in the cache. */
  readonly cached: number
}

/** Asks no provider; stages behind one see the old vectors. */
export async function previewOf(job: {
  readonly batch: RecordBatch
  readonly stages: readonly Stage[]
  readonly cache: EmbeddingCache
  readonly signal: AbortSignal
}): Promise<MapPreview> {
  const before = rowsOf(job.batch)
  const texts: string[] = []
  let cached = 0
  let rows: readonly Row[] = before
  let vectorsAreOld = true
  for (const stage of job.stages) {
    if (stage.preview !== undefined) {
      const previewed = stage.preview(rows)
      texts.push(...previewed.texts)
      cached += await countCached(job.cache, previewed.model, previewed.texts)
      vectorsAreOld = false
    } else if (vectorsAreOld || !isCut(stage)) {
      rows = await stage.apply(rows, job.signal)
    }
  }
  const source = new Map(before.map((row) => [row.id, row]))
  const changed = rows.filter((row) => {
    const old = source.get(row.id)
    return old === undefined || !sameRow(old, row)
  })
  return {
    records: before.length,
    changed: changed.length,
    dropped: before.length - rows.length,
    texts,
    cached,
  }
}

async function countCached(
  cache: EmbeddingCache,
  model: string | undefined,
  texts: readonly string[],
): Promise<number> {
  if (model === undefined) return 0
  return (await cache.get(model, [...new Set(texts)])).filter((vector) => vector !== null).length
}

function isCut({ cuts }: Stage): boolean {
  return cuts === true
}
