import type { JsonValue } from '../../core/json.js'

export type SwapPhase =
  /** Nothing is on the server yet. */
  | 'PLANNED'
  | 'COPYING'
  | 'CAUGHT_UP'
  | 'VERIFIED'
  /** Between this and SWAPPED the live name may be missing. */
  | 'SWAP_INTENT'
  | 'SWAPPED'
  | 'DRAINED'

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
  /** `COPYING into docs.migrate-0123abcd`, for people. */
  readonly text: string
  readonly next: readonly string[]
}

/** What the journal of an unfinished copy-and-swap says; null when it says nothing. */
export function describeSwap(_progress: JsonValue): SwapDescription | null {
  throw new Error('not there yet')
}
