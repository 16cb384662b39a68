import { sliceRows } from '../core/batch-rows.js'
import type { RecordBatch } from '../core/records.js'
import { OrderDigest } from './order-digest.js'

/** Ids that are there already, in order. */
export interface WrittenIds {
  readonly count: number
  readonly digest: string
}

/** What an earlier run has written is not the beginning of what is to be written. */
export class NotAPrefix extends Error {
  override readonly name = 'NotAPrefix'
}

export async function readWritten(pieces: AsyncIterable<readonly string[]>): Promise<WrittenIds> {
  const digest = new OrderDigest()
  let count = 0
  for await (const ids of pieces) {
    digest.add(ids)
    count += ids.length
  }
  return { count, digest: digest.hex() }
}

/**
 * The records behind those that are written already, which must be the first ones of `batches`; else it
 * throws {@link NotAPrefix}, before it yields anything.
 */
export async function* unwritten(
  batches: AsyncIterable<RecordBatch>,
  written: WrittenIds,
): AsyncGenerator<RecordBatch, void, undefined> {
  const digest = new OrderDigest()
  let left = written.count
  for await (const batch of batches) {
    const already = Math.min(left, batch.ids.length)
    digest.add(already === batch.ids.length ? batch.ids : batch.ids.slice(0, already))
    left -= already
    if (left > 0) continue
    if (already > 0 && digest.hex() !== written.digest) throw new NotAPrefix()
    if (already < batch.ids.length) yield sliceRows(batch, already, batch.ids.length)
  }
  if (left > 0) throw new NotAPrefix()
}
