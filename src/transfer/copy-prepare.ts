import { buildShadow } from './build-shadow.js'
import type { CopyJob } from './copy-job.js'
import { DEFAULT_MAX_PASSES } from './copy-job.js'
import { pairOf, removesExtra } from './copy-items.js'
import { copyPasses, type CopyPassesResult } from './copy-passes.js'
import type { Prepare } from './prepare-collection.js'
import type { PlannedItem } from './plan-items.js'
import type { RestoreJournal } from './restore-journal.js'

/** The figures of what was copied, by what was planned. */
export type CopyFigures = Map<PlannedItem, CopyPassesResult>

/**
 * Brings collections over from a source that may be written to meanwhile: in one go under a temporary name,
 * and then in passes until source and target are equal.
 */
export function copyPreparation(copy: CopyJob, copied: RestoreJournal, figures: CopyFigures): Prepare {
  return async (job, planned, journal, inTurn) => {
    const { item, existing, action, shadow: identity, begun } = planned
    const { source } = job.origin
    const untouched = { written: 0, deleted: 0, withoutVector: 0, comparison: null, warnings: [] }
    if (existing !== null && action === 'already-restored')
      return { ...untouched, planned, collection: existing, records: item.records }
    const fills = existing !== null && (action === 'add-missing' || action === 'overwrite')
    const built = fills
      ? { ...untouched, collection: existing }
      : await inTurn(() =>
          buildShadow({
            ...job,
            source,
            definition: item.definition,
            identity,
            begun,
            changed: 'keep',
            onCollection: (id) => journal.record(item.target, id),
          }),
        )
    const passes = await copyPasses({
      ...job,
      source,
      definition: item.definition,
      collection: built.collection,
      phase: fills ? 'write' : 'compare',
      change: action !== 'add-missing',
      remove: fills ? removesExtra(copy, planned) : true,
      inTurn,
      maxPasses: copy.maxPasses ?? DEFAULT_MAX_PASSES,
    })
    figures.set(planned, passes)
    await copied.record(item.target, pairOf(built.collection.id, item.definition.id))
    return {
      planned,
      collection: built.collection,
      records: passes.records,
      written: built.written + passes.added + passes.changed,
      deleted: passes.deleted,
      withoutVector: passes.withoutVector,
      comparison: null,
      warnings: built.warnings,
    }
  }
}
