import type { JsonValue } from '../../core/json.js'
import { isOrAre, plural } from '../../core/plural.js'
import { phaseIsAtLeast, progressFromJson, type SwapPhase, type SwapProgress } from './progress.js'

export type { SwapPhase } from './progress.js'

export interface SwapDescription {
  readonly phase: SwapPhase
  /** The collection's name. */
  readonly live: string
  readonly sourceId: string
  /** Null before it was made. */
  readonly shadowId: string | null
  readonly shadow: string
  /** The name that the old collection gets. */
  readonly old: string
  /** `COPYING: 3500 records are in docs.migrate-0123abcd`, for people. */
  readonly text: string
  /** Commands that go on from here, the best first. */
  readonly next: readonly string[]
}

/** What the journal of an unfinished copy-and-swap says; null when it says nothing. */
export function describeSwap(progress: JsonValue): SwapDescription | null {
  const saved = progressFromJson(progress)
  if (saved === null) return null
  const { phase, live, sourceId, shadowId, shadow, old } = saved
  const next = ['chroma-ops migrate resume', 'chroma-ops migrate abort']
  return { phase, live, sourceId, shadowId, shadow, old, text: textOf(saved), next }
}

function textOf(progress: SwapProgress): string {
  const { phase, live, copied, shadow, old } = progress
  if (phase === 'SWAP_INTENT')
    return `${phase}: ${live} is being replaced by ${shadow}, and may be missing; the old one is called ${old} then`
  if (phaseIsAtLeast(progress, 'SWAPPED')) return `${phase}: ${live} is the new one, the old one is ${old}`
  return `${phase}: ${plural(copied, 'record')} ${isOrAre(copied)} in ${shadow}; ${live} is as it was`
}
