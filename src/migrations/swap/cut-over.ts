import type { ChromaApi } from '../../chroma/api.js'
import type { Metadata } from '../../core/metadata.js'
import type { CollectionDefinition } from '../../core/records.js'
import type { StepContext } from '../step-outcome.js'
import { exchangeNames, takeName } from './exchange-names.js'
import type { SwapProgress } from './progress.js'
import { keptMetadata, releasedMetadata } from './shadow-collection.js'
import type { SwapJournal } from './swap-journal.js'

export interface CutOverJob {
  readonly context: StepContext
  readonly journal: SwapJournal
  readonly source: CollectionDefinition
  readonly shadow: CollectionDefinition
  /** What the new collection will say of itself. */
  readonly metadata: Metadata | null
}

/** Swaps the names; the live name is missing for some milliseconds. */
export async function cutOver(job: CutOverJob): Promise<void> {
  const { context, journal, source, shadow, metadata } = job
  const { api, guard, version } = context
  const { live, keepUntil } = journal.progress
  const old = await freeName(api, source, journal.progress.old)
  await journal.put({ phase: 'SWAP_INTENT', old })
  await guard.check()
  const gapMs = await exchangeNames(api, {
    out: { collection: source, name: old, metadata: keptMetadata(source.metadata, version, keepUntil) },
    into: { collection: shadow, name: live, metadata },
  })
  await journal.put({ phase: 'SWAPPED', gapMs })
}

/** The second half, of a swap whose run died between the two. */
export async function rollForward({
  context,
  journal,
  shadow,
  metadata,
}: Omit<CutOverJob, 'source'>): Promise<void> {
  await context.guard.check()
  await takeName(context.api, { collection: shadow, name: journal.progress.live, metadata })
  await journal.put({ phase: 'SWAPPED' })
}

/** Gives a collection that was renamed its name and its metadata back. */
export async function giveBack(api: ChromaApi, old: CollectionDefinition, live: string): Promise<void> {
  await takeName(api, { collection: old, name: live, metadata: releasedMetadata(old.metadata) })
}

/** `wanted`, unless another collection is called so. */
export async function freeName(
  api: ChromaApi,
  { tenant, database }: CollectionDefinition,
  wanted: SwapProgress['old'],
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const name = attempt === 1 ? wanted : `${wanted}-${attempt}`
    if ((await api.findCollection({ tenant, database, name })) === undefined) return name
  }
}
