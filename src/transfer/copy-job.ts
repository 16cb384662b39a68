import type { ChromaApi } from '../chroma/api.js'
import type { ServerScope } from '../chroma/server-source.js'
import type { Progress } from '../core/progress.js'
import type { RestoreMode } from './restore-plan.js'
import type { LimitsKind } from './target-limits.js'

/** What to copy from one server to another, or within one, and how. */
export interface CopyJob {
  /** The server that is read; closed by the caller. Nothing is ever written to it, unless it is `to` as well. */
  readonly from: ChromaApi
  /** The server that is written; closed by the caller. */
  readonly to: ChromaApi
  /** Tenants and databases of the source. */
  readonly scope: ServerScope
  /** Takes the lists of ids of what is read. */
  readonly tempDir: string
  /** Patterns `[[tenant/]database/]name`; empty or absent: every collection in scope. */
  readonly collections?: readonly string[] | undefined
  readonly exclude?: readonly string[] | undefined
  /** `[[tenant/]database/]name` of the source to `[[tenant/]database/]name` of the target. */
  readonly rename?: ReadonlyMap<string, string> | undefined
  /** For all collections; default: where each came from. Created if missing. */
  readonly targetTenant?: string | undefined
  readonly targetDatabase?: string | undefined
  /** What happens where the name exists; default: `create`, which refuses. */
  readonly mode?: RestoreMode | undefined
  /** With `replace`: the replaced collection is deleted after the swap. */
  readonly dropOld?: boolean | undefined
  /** Collections that exist already and equal the source count as copied by an earlier run. */
  readonly resume?: boolean | undefined
  /**
   * Brings collections up to date that an earlier run has copied. Those that it has not copied, as far as
   * `stateDir` tells, are refused unless `mode` is `missing` or `overwrite`.
   */
  readonly sync?: boolean | undefined
  /** With `sync`: records that the source does not have are deleted in the target. */
  readonly deleteExtra?: boolean | undefined
  /** With `deleteExtra` or `overwrite`: even if the source has less than half of the target's records. */
  readonly allowShrink?: boolean | undefined
  /** Times that source and target are compared and what differs is written; default 5. */
  readonly maxPasses?: number | undefined
  /** Of the target, for a plan; default: by its address. */
  readonly limits?: LimitsKind | undefined
  /** Where journals of copies are kept. Without it, no later run knows what this one has finished. */
  readonly stateDir?: string | undefined
  /** Requests under way at once, on each server; default 4. Records are written by one writer. */
  readonly concurrency?: number | undefined
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export const DEFAULT_MAX_PASSES = 5
