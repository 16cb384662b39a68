import type { ChromaApi } from '../chroma/api.js'
import type { Progress } from '../core/progress.js'
import type { RestoreMode } from '../transfer/restore-plan.js'
import type { BackupHead } from './manifest.js'
import type { BackupRecords } from './open-records.js'
import type { Repository } from './repository.js'

/** What to restore, where to, and how. */
export interface RestoreJob {
  readonly repository: Repository
  readonly head: BackupHead
  /** The server; closed by the caller. */
  readonly api: ChromaApi
  /** Patterns `[[tenant/]database/]name`; empty or absent: every collection. */
  readonly collections?: readonly string[] | undefined
  readonly exclude?: readonly string[] | undefined
  /** `[[tenant/]database/]name` of the backup to `[[tenant/]database/]name` on the server. */
  readonly rename?: ReadonlyMap<string, string> | undefined
  /** For all collections; default: where each came from. Created if missing. */
  readonly targetTenant?: string | undefined
  readonly targetDatabase?: string | undefined
  readonly mode: RestoreMode
  /** With `replace`: the replaced collection is deleted after the swap. */
  readonly dropOld?: boolean | undefined
  /** Restores what there is of collections that the backup does not have whole. */
  readonly allowPartial?: boolean | undefined
  /** Brings records back that were erased since the backup; by default they stay out. */
  readonly includeErased?: boolean | undefined
  /** Default: every collection is compared with the backup before it gets its name. */
  readonly compare?: boolean | undefined
  /**
   * A directory for a small journal, with which a run knows what an interrupted one has already finished.
   * Without it, it knows only what an interrupted one has left unfinished.
   */
  readonly stateDir?: string | undefined
  /** Takes the files of a physical backup; default: the system's folder for temporary files. */
  readonly tempDir?: string | undefined
  /** The records of the backup, if they are open already; closed by the caller. */
  readonly records?: BackupRecords | undefined
  /** Reads of the server under way at once; default 4. Records are written by one writer, in order. */
  readonly concurrency?: number | undefined
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}
