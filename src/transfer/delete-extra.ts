import type { RecordLookup } from '../core/records.js'
import type { FillJob } from './fill-collection.js'
import { IdFilter } from './id-filter.js'
import { SourceRecords } from './source-records.js'

/** Ids that are kept before they are deleted together. */
const MAX_KEPT = 100_000
const DELETE_AT_ONCE = 1000
/** Each round overlooks at most one extra id in thousands; several in a row mean that somebody else is writing. */
const MAX_ROUNDS = 6

/**
 * Deletes the records whose ids the source does not have, and returns how many. An id that the filter denies
 * is surely not in the source; one that it affirms by mistake falls to the next round, which has another
 * filter.
 */
export async function deleteExtra(
  job: FillJob & { readonly lookup: RecordLookup; readonly expected: number },
): Promise<number> {
  const { api, existing, lookup, expected, signal } = job
  let deleted = 0
  for (let round = 1; round <= MAX_ROUNDS && (await lookup.count(signal)) > expected; round++) {
    const filter = await filterOf(job, round)
    for (;;) {
      const extra = await extraIds(lookup, filter, signal)
      for (let at = 0; at < extra.length; at += DELETE_AT_ONCE)
        await api.deleteRecords(existing, extra.slice(at, at + DELETE_AT_ONCE), signal)
      deleted += extra.length
      if (extra.length < MAX_KEPT) break
    }
  }
  return deleted
}

async function filterOf({ source, definition, signal }: FillJob, seed: number): Promise<IdFilter> {
  const records = await SourceRecords.open(source, definition, signal)
  const filter = new IdFilter(records.expectedRecords, seed)
  for await (const { ids } of records.batches(signal)) for (const id of ids) filter.add(id)
  return filter
}

/** At most {@link MAX_KEPT} at a time, gathered before anything is deleted, which would disturb the list. */
async function extraIds(
  lookup: RecordLookup,
  filter: IdFilter,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const extra: string[] = []
  for await (const ids of lookup.listIds(signal)) {
    for (const id of ids) if (!filter.has(id) && extra.length < MAX_KEPT) extra.push(id)
    if (extra.length === MAX_KEPT) break
  }
  return extra
}
