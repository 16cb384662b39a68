import { serverLookup } from '../chroma/server-lookup.js'
import { spaceOf } from '../chroma/space.js'
import { GuardError } from '../core/errors.js'
import type { CollectionDefinition } from '../core/records.js'
import { compareCollection } from './compare.js'
import { namesText, TargetExistsError } from './errors.js'
import type { PlannedItem } from './plan-items.js'
import type { RestoreItem, RestoreRecordsJob } from './restore-job.js'
import { SourceRecords } from './source-records.js'

/**
 * Decides about collections that may be the work of an interrupted run: they are if their records equal the
 * source's. Others are treated as what they are, the user's.
 */
export async function settleChecks(
  job: RestoreRecordsJob,
  planned: readonly PlannedItem[],
): Promise<readonly PlannedItem[]> {
  const settled: PlannedItem[] = []
  for (const item of planned) {
    const { action, existing } = item
    if (action !== 'check' || existing === null) settled.push(item)
    else if (await isEqual(job, item.item, existing)) settled.push({ ...item, action: 'already-restored' })
    else settled.push({ ...item, action: job.mode === 'replace' ? 'replace' : 'refuse' })
  }
  return settled
}

/** Throws when any collection cannot be restored, before anything is written. */
export function refuseAll(planned: readonly PlannedItem[]): void {
  const refused = planned.filter(({ action }) => action === 'refuse')
  if (refused.length === 0) return
  const others = refused.flatMap(({ refusal }) => refusal ?? [])
  const [first] = others.filter(({ code }) => code !== 'RESTORE_TARGET_EXISTS')
  if (first === undefined) throw new TargetExistsError(refused.map(({ item }) => item.target))
  throw new GuardError(first.code, namesText(others.map(({ message }) => message)), {
    hint: 'choose another name with --rename, or --mode replace',
  })
}

async function isEqual(
  { origin, api, progress, signal }: RestoreRecordsJob,
  { definition }: RestoreItem,
  existing: CollectionDefinition,
): Promise<boolean> {
  const expected = await SourceRecords.open(origin.source, definition, signal)
  const actual = serverLookup(api, existing)
  if ((await actual.count(signal)) !== expected.expectedRecords) return false
  const space = spaceOf(definition)
  const { equal, orderDiffers } = await compareCollection({ expected, actual, space, progress, signal })
  return equal && !orderDiffers
}
