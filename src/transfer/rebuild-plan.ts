import { GuardError } from '../core/errors.js'
import { displayName, type CollectionDefinition } from '../core/records.js'
import { settingsOf, type IndexSettings } from '../datadir/index-settings.js'

export interface RebuildPlan {
  readonly collection: string
  readonly records: number
  /** Records whose vector cannot be read. */
  readonly withoutVector: number
  readonly before: IndexSettings
  readonly after: IndexSettings
  readonly warnings: readonly string[]
}

interface PlannedRebuild {
  readonly collection: CollectionDefinition
  readonly changes: Partial<IndexSettings>
  readonly allowPartial: boolean
}

/** From what was counted. */
export function planOf(
  { collection, changes }: PlannedRebuild,
  records: number,
  withoutVector: number,
): RebuildPlan {
  const before = settingsOf(collection)
  const after = { ...before, ...changes }
  const warnings = [
    ...(records === 0
      ? ['the collection has no records: --apply will refuse, for there is nothing to build']
      : []),
    ...(before.space === 'cosine'
      ? [
          after.space === 'cosine'
            ? 'cosine vectors are stored normalised: each rebuild rounds them once more, by some units in the last place'
            : 'cosine data is already normalised: lengths come back rounded, and are lost where length.bin does not have them',
        ]
      : []),
    ...(after.space === 'cosine' && before.space !== 'cosine'
      ? ['a cosine index stores vectors normalised: going back gives them back rounded']
      : []),
    ...(withoutVector > 0 ? [`${withoutVector} of ${records} records have no vector that can be read`] : []),
  ]
  return { collection: displayName(collection), records, withoutVector, before, after, warnings }
}

/** Throws a GuardError `NOTHING_TO_BUILD` or `VECTORS_LOST` (15). */
export function refuseLosses(
  { allowPartial, collection }: PlannedRebuild,
  { records, withoutVector }: RebuildPlan,
): void {
  const name = displayName(collection)
  if (records === 0)
    throw new GuardError('NOTHING_TO_BUILD', `${name} has no records, so an index of it would hold nothing`, {
      hint: 'leave it: the server makes the index when the first records are written',
    })
  if (records === withoutVector)
    throw new GuardError('VECTORS_LOST', `${name} has no vector that an index could be built from`, {
      hint: 'read what is left with "chroma-ops rescue", or restore the collection from a backup',
    })
  if (withoutVector === 0 || allowPartial) return
  throw new GuardError('VECTORS_LOST', `${withoutVector} of ${records} vectors of ${name} cannot be read`, {
    hint: 'restore them from a backup, or give --allow-partial to build the index from the others',
  })
}
