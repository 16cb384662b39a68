import type { ChromaApi } from '../chroma/api.js'
import type { OfficialClient } from '../chroma/official-client.js'
import type { JsonValue } from '../core/json.js'
import type { Progress } from '../core/progress.js'
import type { CollectionName } from '../core/records.js'
import type { EmbeddingCache } from './embedding-cache.js'
import type { StepJournal, WriteGuard } from './step-journal.js'

/** What a step works with. */
export interface StepContext {
  readonly api: ChromaApi
  readonly tenant: string
  readonly database: string
  readonly version: string
  readonly runId: string
  readonly journal: StepJournal
  readonly guard: WriteGuard
  /** Vectors that were paid for already; kept between runs. */
  readonly cache: EmbeddingCache
  /** Requests in flight. */
  readonly concurrency: number
  /** A folder for temporary files of this run. */
  readonly tempDir: string
  /** The official client of the same tenant and database; called when a step asks for it. */
  readonly openClient: () => Promise<OfficialClient>
  readonly now: () => Date
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** What a finished step leaves in the state. */
export interface StepOutcome {
  /** How `down` goes back; null: it cannot. JSON, because another process may do it, months later. */
  readonly undo: Undo | null
  readonly records: number
  /** Texts that a provider was asked for. */
  readonly embedded: number
  /** Of a copy-and-swap: how long the live name was missing. */
  readonly gapMs: number | null
  /** What the operator should know: intruders, late writes. */
  readonly notes: readonly string[]
}

export type Undo =
  /** What the step has created: one collection, or those of a split. */
  | { readonly kind: 'dropCreated'; readonly collections: readonly CollectionRefJson[] }
  | { readonly kind: 'rename'; readonly collection: CollectionRefJson; readonly from: string }
  /** `applied`: what the step set; keys that differ from it by now were changed by somebody else, and stay. */
  | {
      readonly kind: 'setMetadata'
      readonly collection: CollectionRefJson
      readonly previous: JsonValue
      readonly applied: JsonValue
    }
  /** `previous`: the values of the keys that the step has changed. */
  | {
      readonly kind: 'setConfiguration'
      readonly collection: CollectionRefJson
      readonly previous: JsonValue
    }
  | {
      readonly kind: 'swapBack'
      /** The new collection, which has the live name. */
      readonly live: CollectionRefJson
      /** The old one, under the name that it is kept by. */
      readonly kept: CollectionRefJson
      /** Until when it is kept, ISO 8601; null: for ever. */
      readonly keepUntil: string | null
      /** Of the map: records written since can be carried back only when vectors stayed what they were. */
      readonly newVectors: boolean
      /** Digests of what was copied, which tell what was written since; null when there are none. */
      readonly ledger: CollectionRefJson | null
    }
  | {
      readonly kind: 'untrash'
      readonly collection: CollectionRefJson
      readonly name: string
      readonly keepUntil: string | null
    }
  /** The step's own `down`. */
  | { readonly kind: 'code'; readonly name: string }

/** A collection by its id; the name is what it was called when the step ended. */
export interface CollectionRefJson extends CollectionName {
  readonly id: string
}
