import { fromPlain, isJsonObject, type JsonObject, type JsonValue } from '../../core/json.js'

export type SwapPhase =
  /** The shadow may not be on the server yet. */
  | 'PLANNED'
  | 'COPYING'
  | 'CAUGHT_UP'
  | 'VERIFIED'
  /** Between this and SWAPPED the live name may be missing. */
  | 'SWAP_INTENT'
  | 'SWAPPED'
  | 'DRAINED'

export const swapPhases: readonly SwapPhase[] = [
  'PLANNED',
  'COPYING',
  'CAUGHT_UP',
  'VERIFIED',
  'SWAP_INTENT',
  'SWAPPED',
  'DRAINED',
]

/** What a copy-and-swap writes into its journal before each phase. */
export interface SwapProgress {
  readonly phase: SwapPhase
  /** The name that is swapped. */
  readonly live: string
  readonly mapHash: string
  readonly newVectors: boolean
  readonly sourceId: string
  /** Null before it was made. */
  readonly shadowId: string | null
  readonly shadow: string
  readonly ledgerId: string | null
  readonly ledger: string
  /** The name that the old collection gets. */
  readonly old: string
  readonly keepUntil: string | null
  readonly gapMs: number | null
  readonly copied: number
  /** What the operator should know, of all runs so far. */
  readonly notes: readonly string[]
}

export function progressToJson(progress: SwapProgress): JsonValue {
  return fromPlain({ kind: 'copyAndSwap', ...progress })
}

/** Null when this is not the journal of a copy-and-swap. */
export function progressFromJson(json: JsonValue): SwapProgress | null {
  if (!isJsonObject(json) || json.get('kind') !== 'copyAndSwap') return null
  const phase = swapPhases.find((known) => known === json.get('phase'))
  if (phase === undefined) return null
  const notes = json.get('notes')
  return {
    phase,
    live: text(json, 'live'),
    mapHash: text(json, 'mapHash'),
    newVectors: json.get('newVectors') === true,
    sourceId: text(json, 'sourceId'),
    shadowId: textOrNull(json, 'shadowId'),
    shadow: text(json, 'shadow'),
    ledgerId: textOrNull(json, 'ledgerId'),
    ledger: text(json, 'ledger'),
    old: text(json, 'old'),
    keepUntil: textOrNull(json, 'keepUntil'),
    gapMs: numberOrNull(json, 'gapMs'),
    copied: numberOrNull(json, 'copied') ?? 0,
    notes: Array.isArray(notes) ? notes.filter((note) => typeof note === 'string') : [],
  }
}

function text(json: JsonObject, key: string): string {
  return textOrNull(json, key) ?? ''
}

function textOrNull(json: JsonObject, key: string): string | null {
  const value = json.get(key)
  return typeof value === 'string' ? value : null
}

function numberOrNull(json: JsonObject, key: string): number | null {
  const value = json.get(key)
  return typeof value === 'bigint' || typeof value === 'number' ? Number(value) : null
}

export function phaseIsAtLeast({ phase }: SwapProgress, least: SwapPhase): boolean {
  return swapPhases.indexOf(phase) >= swapPhases.indexOf(least)
}
