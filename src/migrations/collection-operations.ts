import type { CollectionReads } from './definition.js'
import type { ChangedRecord, MigrationMetadata, MigrationRecord } from './record.js'

export type MetadataChange =
  MigrationMetadata | null | ((previous: MigrationMetadata) => MigrationMetadata | null)

export interface CreateOptions {
  readonly space?: 'l2' | 'cosine' | 'ip'
  readonly metadata?: MigrationMetadata
  /** `configuration` as the API takes it (`hnsw`, `spann`, `embedding_function`); `space` goes into it. */
  readonly configuration?: Readonly<Record<string, unknown>>
}

/** Whatever has `generate`: any embedding function of the chromadb packages. */
export interface EmbeddingProvider {
  generate(texts: string[]): Promise<number[][]>
  readonly name?: string
  getConfig?(): unknown
}

export interface ReembedOptions {
  readonly with: EmbeddingProvider
  /** The text of a record; default its document. Null: the migration stops and says which record. */
  readonly input?: (record: MigrationRecord) => string | null
  /** Texts per call; default 100. */
  readonly batch?: number
  /** Calls in flight; default 4. */
  readonly concurrency?: number
  /** Calls per minute; default unlimited. */
  readonly rpm?: number
  /** The price of one thousand tokens, and what the whole may cost at most (both in the same currency). */
  readonly pricePerThousandTokens?: number
  readonly maxCost?: number
  /** Part of the cache's key; default the provider's name and configuration. */
  readonly model?: string
}

export interface VerifyOptions {
  /** Records whose vectors are compared; default 500. Counts, ids and payload are always compared whole. */
  readonly sample?: number
  /** Queries asked of both; the share of hits in common must be at least `min`. */
  readonly recall?: { readonly queries?: number; readonly k?: number; readonly min: number }
}

export interface SwapOptions {
  readonly verify?: VerifyOptions
  /** How long the replaced collection stays before `migrate complete` drops it: `14d` (default), `0`. */
  readonly keepOld?: string
  /** How long late writes into the old collection are looked for after the swap: `0s` (default: one look). */
  readonly drain?: string
}

/**
 * Operations on one collection. Those that change records are collected until the chain is awaited, or ended
 * by copyAndSwap, copyTo or split, and done in one pass: read once, embed once, written once.
 */
export interface CollectionOperations extends CollectionReads, PromiseLike<void> {
  create(options?: CreateOptions): Promise<void>
  /** Renamed into the trash, from where `down` brings it back; `migrate complete` drops it. */
  drop(options?: { readonly keep?: string }): Promise<void>
  rename(to: string): Promise<void>
  setMetadata(change: MetadataChange): Promise<void>
  /** What a server can change in place (`ef_search`, …); what it does not take over is an error. */
  setConfiguration(configuration: Readonly<Record<string, unknown>>): Promise<void>

  /** Null drops the record. `inPlace` writes into the collection itself, and needs `t(t(x)) = t(x)`. */
  transform(
    change: (record: MigrationRecord) => ChangedRecord | null | Promise<ChangedRecord | null>,
    options?: { readonly inPlace?: boolean },
  ): CollectionOperations
  filter(keep: (record: MigrationRecord) => boolean): CollectionOperations
  reembed(options: ReembedOptions): CollectionOperations
  changeSpace(space: 'l2' | 'cosine' | 'ip'): CollectionOperations
  /** Cuts vectors to the first `dimension` numbers; those of length one have it afterwards, too. Longer ones: reembed. */
  changeDimension(dimension: number): CollectionOperations

  /** Builds the result beside the collection, verifies it and swaps the names. What awaiting the chain does. */
  copyAndSwap(options?: SwapOptions): Promise<void>
  /** Builds the result under another name; the collection stays. */
  copyTo(name: string, options?: { readonly verify?: VerifyOptions }): Promise<void>
  /** Each record goes to the collection that `by` names, or nowhere (null). The collection stays. */
  split(by: (record: MigrationRecord) => string | null, names: readonly string[]): Promise<void>
  /** The records of this and the others, in a new collection. `onConflict` for ids that are in several. */
  merge(
    others: readonly string[],
    options: { readonly into: string; readonly onConflict?: 'fail' | 'first' | 'last' },
  ): Promise<void>
}
