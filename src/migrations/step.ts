import type { OfficialClient } from '../chroma/official-client.js'
import type { CreateOptions, MetadataChange, SwapOptions, VerifyOptions } from './collection-operations.js'
import type { RecordMap } from './record-map.js'
import type { MigrationRecord } from './record.js'

type Run = (context: { readonly signal: AbortSignal }) => Promise<void> | void

/** One operation of a migration, as `up` or `down` asks for it. */
export type Step =
  | { readonly kind: 'create'; readonly collection: string; readonly options: CreateOptions }
  | { readonly kind: 'drop'; readonly collection: string; readonly keep: string }
  | { readonly kind: 'rename'; readonly collection: string; readonly to: string }
  | { readonly kind: 'setMetadata'; readonly collection: string; readonly change: MetadataChange }
  | {
      readonly kind: 'setConfiguration'
      readonly collection: string
      readonly configuration: Readonly<Record<string, unknown>>
    }
  | {
      readonly kind: 'copyAndSwap'
      readonly collection: string
      readonly map: RecordMap
      readonly options: SwapOptions
    }
  | { readonly kind: 'inPlace'; readonly collection: string; readonly map: RecordMap }
  | {
      readonly kind: 'copyTo'
      readonly collection: string
      readonly map: RecordMap
      readonly to: string
      readonly verify: VerifyOptions
    }
  | {
      readonly kind: 'split'
      readonly collection: string
      readonly map: RecordMap
      readonly by: (record: MigrationRecord) => string | null
      readonly names: readonly string[]
    }
  | {
      readonly kind: 'merge'
      readonly collection: string
      readonly others: readonly string[]
      readonly into: string
      readonly onConflict: 'fail' | 'first' | 'last'
    }
  | { readonly kind: 'code'; readonly name: string; readonly run: Run; readonly down: Run | null }
  | {
      readonly kind: 'client'
      readonly name: string
      readonly run: (client: OfficialClient) => Promise<void>
    }
