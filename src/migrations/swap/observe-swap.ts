import { namesToChoose } from '../../core/own-collections.js'
import type { CollectionDefinition } from '../../core/records.js'
import { CollectionNotFoundError } from '../../chroma/errors.js'
import type { StepContext } from '../step-outcome.js'
import { phaseIsAtLeast, type SwapProgress } from './progress.js'

/** Where a copy-and-swap stands, by the ids that are on the server. */
export type SwapState =
  | {
      readonly kind: 'not swapped'
      /** Under the live name. */
      readonly source: CollectionDefinition
      readonly all: readonly CollectionDefinition[]
    }
  /** The source has lost the name, and the copy does not have it: nobody does, or an intruder. */
  | {
      readonly kind: 'in the hole'
      readonly old: CollectionDefinition
      readonly fresh: CollectionDefinition
      readonly progress: SwapProgress
    }
  | {
      readonly kind: 'swapped'
      readonly old: CollectionDefinition
      readonly fresh: CollectionDefinition
      readonly progress: SwapProgress
    }
  /** Like `in the hole`, and somebody has removed the copy. */
  | { readonly kind: 'copy lost'; readonly old: CollectionDefinition }
  /** The old collection is gone already. */
  | { readonly kind: 'finished'; readonly fresh: CollectionDefinition; readonly progress: SwapProgress }

/**
 * The journal says only which ids to look for. Rejects with a CollectionNotFoundError when there is nothing
 * under the live name, and none of this swap that could get it.
 */
export async function observeSwap(
  { api, tenant, database, signal }: Pick<StepContext, 'api' | 'tenant' | 'database' | 'signal'>,
  saved: SwapProgress | null,
  live: string,
): Promise<SwapState> {
  const all = await api.listCollections(tenant, database, signal)
  const named = all.find(({ name }) => name === live)
  const progress = saved?.live === live ? saved : null
  if (progress !== null && named?.id !== progress.sourceId) {
    const old = all.find(({ id }) => id === progress.sourceId)
    const fresh = all.find(({ id }) => id === progress.shadowId)
    // Only a swap gives the copy the live name.
    if (fresh?.name === live)
      return old === undefined
        ? { kind: 'finished', fresh, progress }
        : { kind: 'swapped', old, fresh, progress }
    if (old !== undefined && phaseIsAtLeast(progress, 'SWAP_INTENT'))
      return fresh === undefined ? { kind: 'copy lost', old } : { kind: 'in the hole', old, fresh, progress }
  }
  if (named !== undefined) return { kind: 'not swapped', source: named, all }
  throw new CollectionNotFoundError([live], namesToChoose(all))
}
