import type { Warning } from '../core/progress.js'
import type { CollectionDefinition } from '../core/records.js'
import { commitShadow, dropCollection, findById, swapShadow } from './commit-shadow.js'
import { fidelityWarnings } from './fidelity.js'
import type { PreparedCollection } from './prepare-collection.js'
import type { RestoreRecordsJob } from './restore-job.js'
import type { CollectionRestored, PlannedAction } from './restore-plan.js'
import { replacedBy } from './shadow.js'

/** Gives a prepared collection its name, or does nothing when it has it already. */
export async function finishCollection(
  job: RestoreRecordsJob,
  prepared: PreparedCollection,
): Promise<CollectionRestored> {
  const { planned, collection } = prepared
  const { item, action } = planned
  const kept = isBuilt(action) ? await commit(job, prepared) : null
  const dropped = kept !== null && job.dropOld
  if (dropped) await dropCollection(job.api, kept, job.signal)
  const { definition, target } = item
  return {
    source: { tenant: definition.tenant, database: definition.database, name: definition.name },
    target,
    id: collection.id,
    action: action === 'check' || action === 'refuse' ? 'create' : action,
    records: prepared.records,
    written: prepared.written,
    deleted: prepared.deleted,
    withoutVector: prepared.withoutVector,
    comparison: prepared.comparison,
    keptAs: kept === null || dropped ? null : kept.name,
    warnings: [...prepared.warnings, ...(await warningsAbout(job, prepared))],
  }
}

function isBuilt(action: PlannedAction | 'check'): boolean {
  return action === 'create' || action === 'replace'
}

/** Returns the replaced collection under the name that it has now. */
async function commit(
  job: RestoreRecordsJob,
  { planned, collection }: PreparedCollection,
): Promise<CollectionDefinition | null> {
  const { api, signal } = job
  const { item, existing, begun, shadow: identity } = planned
  const commitJob = { api, identity, shadow: collection, definition: item.definition, signal }
  if (planned.action === 'replace' && existing !== null) {
    const keptAs = await swapShadow(commitJob, existing)
    return { ...existing, name: keptAs }
  }
  await commitShadow(commitJob)
  // An earlier run may have been killed in the middle of a swap.
  const replaced = begun === null ? null : replacedBy(begun)
  return replaced === null ? null : ((await findById(api, item.target, replaced, signal)) ?? null)
}

/** The server's settings were compared when the collection was made, unless an earlier run has made it. */
async function warningsAbout(
  { api, signal }: RestoreRecordsJob,
  { planned, warnings }: PreparedCollection,
): Promise<readonly Warning[]> {
  const { target, definition } = planned.item
  const found = fidelityWarnings(definition, await api.getCollection(target, signal))
  return found.filter(({ code }) => warnings.length === 0 || code !== 'INDEX_SETTINGS_DIFFER')
}
