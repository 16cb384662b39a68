import { sliceRows } from '../../core/batch-rows.js'
import type { RecordBatch, Space } from '../../core/records.js'
import { compareRecord } from '../../transfer/compare-record.js'
import { MigrationError } from '../migration-error.js'
import type { RecordMap } from '../record-map.js'
import { quoted } from './bad-value.js'

/** Records that are tried. */
const SAMPLE = 200

/**
 * Rejects with a {@link MigrationError} when the map gives another result the second time (it is not a function
 * of the record), or changes its own results (a crash would have it applied twice).
 */
export async function checkIdempotent(
  map: RecordMap,
  batch: RecordBatch,
  space: Space,
  signal: AbortSignal,
): Promise<void> {
  const sample = sliceRows(batch, 0, SAMPLE)
  const once = await map.map(sample, signal)
  const again = await map.map(sample, signal)
  refuseDifference(once, again, space, (id, what) => ({
    message: `record ${id}: the function gives another ${what} each time it is called`,
    hint: 'in place only what the record itself decides: no time, no random numbers, no counters',
  }))
  const twice = await map.map(once, signal)
  refuseDifference(once, twice, space, (id, what) => ({
    message: `record ${id}: done twice, the function changes ${what} again`,
    hint: 'let it leave alone what it has changed, or leave inPlace out: copy and swap does each record once',
  }))
}

function refuseDifference(
  expected: RecordBatch,
  actual: RecordBatch,
  space: Space,
  describe: (id: string, what: string) => { readonly message: string; readonly hint: string },
): void {
  const rows = new Map(actual.ids.map((id, row) => [id, row]))
  const refuse = (id: string, what: string) => {
    const { message, hint } = describe(quoted(id), what)
    throw new MigrationError('OPERATION_REFUSED', message, { hint })
  }
  expected.ids.forEach((id, row) => {
    const other = rows.get(id)
    if (other === undefined) {
      refuse(id, 'answer')
      return
    }
    const tolerated = { metadataFloats: 0, vectors: 0 }
    const pair = [
      { batch: expected, row },
      { batch: actual, row: other },
    ] as const
    const [difference] = compareRecord(...pair, space, tolerated)
    if (difference !== undefined) refuse(id, difference.field)
  })
  const extra = actual.ids.find((id) => !expected.ids.includes(id))
  if (extra !== undefined) refuse(extra, 'answer')
}
