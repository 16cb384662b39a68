import { displayName } from '../../core/records.js'
import { SHADOW_KEY } from '../../core/shadow-key.js'
import { dropCollection, findById } from '../../transfer/commit-shadow.js'
import type { CollectionRefJson } from '../step-outcome.js'
import { isEmpty, type StepTools } from './step-tools.js'
import { endOf, moveToTrash } from './trash.js'

/** For collections with records in them that a migration has created and takes back. */
const KEEP = '14d'

/**
 * Removes collections that a migration has created; those that are gone are no error. What has records goes
 * into the trash, because applications may have written some of them. Returns what the operator should know.
 */
export async function removeCreated(
  refs: readonly CollectionRefJson[],
  tools: StepTools,
): Promise<readonly string[]> {
  const { api, signal, now } = tools
  const notes: string[] = []
  for (const ref of refs) {
    const found = await findById(api, ref, ref.id, signal)
    if (found === undefined) continue
    if (found.metadata?.has(SHADOW_KEY) === true || (await isEmpty(api, found, signal))) {
      await dropCollection(api, found, signal)
      continue
    }
    const trashed = await moveToTrash(tools, found, endOf(KEEP, now()))
    notes.push(`${displayName(ref)} is in the trash as ${trashed.name} for 14 days`)
  }
  return notes
}
