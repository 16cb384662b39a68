import type { OfficialClient } from '../chroma/official-client.js'
import type { CollectionOperations } from './collection-operations.js'
import type { MigrationRecord } from './record.js'

/**
 * One migration: a file `migrations/00007_name.ts` with `export default defineMigration({ … })`. `up` is run
 * once against a database, step by step; every step is journalled, so that a run that died is continued.
 */
export interface MigrationDefinition {
  readonly description: string
  /** Versions that must be applied before, beside the one before it in the sequence, which is implied. */
  readonly dependsOn?: readonly string[]
  /** Environments in which it runs; elsewhere it is recorded as skipped. Absent: everywhere. */
  readonly env?: readonly string[]
  /**
   * `auto` (default): the touched collections are backed up before the first write that nothing else can
   * undo. `always`: before the first write. `never`: not at all.
   */
  readonly backup?: 'auto' | 'always' | 'never'
  /** `never`: an application may check at its start that it is applied, and never runs it. Default `allowed`. */
  readonly startup?: 'allowed' | 'never'
  /** Why there is no way back; `down` refuses then. */
  readonly irreversible?: string
  /** Throws (or uses `require…`) when the data is not what `up` expects. Reads only; nothing has changed yet. */
  check?(m: CheckContext): Promise<void> | void
  /**
   * Says what is to be done. Called more than once: for a plan, before a run to see what will be needed, and again
   * to do it and to continue it. So it does nothing by itself but awaiting the operations of `m`, in the same order
   * for the same data; code of its own goes into {@link MigrationContext.step}.
   */
  up(m: MigrationContext): Promise<void> | void
  /** Absent: derived from the steps of `up`, where each can be undone. */
  down?(m: MigrationContext): Promise<void> | void
}

/** Gives the object its type; what is wrong with it is told when the file is loaded. */
export function defineMigration(definition: MigrationDefinition): MigrationDefinition {
  return definition
}

/** What `check` gets: reading only. */
export interface CheckContext {
  readonly signal: AbortSignal
  readonly tenant: string
  readonly database: string
  collection(name: string): CollectionChecks
}

export interface CollectionRequirement {
  readonly exists?: boolean
  readonly space?: 'l2' | 'cosine' | 'ip'
  readonly dimension?: number
  readonly minRecords?: number
  readonly maxRecords?: number
}

/** Reads of one collection; rejects with a CollectionNotFoundError when it is not there. */
export interface CollectionReads {
  count(): Promise<number>
  /** At most 5,000 ids. */
  get(ids: readonly string[]): Promise<readonly MigrationRecord[]>
  /** Every record, in the collection's order; bounded memory. */
  records(): AsyncIterable<MigrationRecord>
}

export interface CollectionChecks extends CollectionReads {
  /** Rejects with a {@link CheckFailedError} that says what differs. */
  require(requirement: CollectionRequirement): Promise<void>
  /** Reads the whole collection: re-embedding needs the text of every record. */
  requireDocuments(options?: { readonly missingAtMost?: number }): Promise<void>
}

/** What `up` and `down` get. Every operation is one step, in the order in which it is awaited. */
export interface MigrationContext {
  readonly signal: AbortSignal
  readonly tenant: string
  readonly database: string
  collection(name: string): CollectionOperations
  /**
   * Code of one's own: done once, unless the process dies in it, so it must bear being done again. Without
   * `down` there is no way back past it.
   */
  step(
    name: string,
    run: (context: { readonly signal: AbortSignal }) => Promise<void> | void,
    options?: { readonly down?: (context: { readonly signal: AbortSignal }) => Promise<void> | void },
  ): Promise<void>
  /** One step with the official client of the same tenant and database, for what is missing here. */
  client(name: string, run: (client: OfficialClient) => Promise<void>): Promise<void>
}
