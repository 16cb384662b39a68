import type { ChromaApi } from '../chroma/api.js'
import { serverLookup } from '../chroma/server-lookup.js'
import { spaceOf } from '../chroma/space.js'
import { isHousekeeping } from '../core/own-collections.js'
import { withOverallProgress } from '../core/overall-progress.js'
import type { Progress, Warning } from '../core/progress.js'
import { displayName, type CollectionDefinition, type CollectionName } from '../core/records.js'
import { compareCollection } from '../transfer/compare.js'
import type { Comparison } from '../transfer/comparison.js'
import { fidelityWarnings } from '../transfer/fidelity.js'
import { SourceRecords } from '../transfer/source-records.js'
import type { RestoreItem } from '../transfer/restore-job.js'
import { surveyTargets, type TargetSurvey } from '../transfer/survey-targets.js'
import type { BackupHead } from './manifest.js'
import type { BackupRecords } from './open-records.js'
import type { Repository } from './repository.js'
import { withRestoreSelection, type RestoreSelection } from './restore-selection.js'

/** A backup, and the server whose collections are compared with it. */
export interface VerifyAgainstJob {
  readonly repository: Repository
  readonly head: BackupHead
  readonly api: ChromaApi
  /** Patterns `[[tenant/]database/]name`; empty or absent: every collection of the backup. */
  readonly collections?: readonly string[] | undefined
  readonly exclude?: readonly string[] | undefined
  /** Where the collections are called otherwise than in the backup. */
  readonly rename?: ReadonlyMap<string, string> | undefined
  readonly targetTenant?: string | undefined
  readonly targetDatabase?: string | undefined
  /** Takes the files of a physical backup; default: the system's folder for temporary files. */
  readonly tempDir?: string | undefined
  /** The records of the backup, if they are open already; closed by the caller. */
  readonly records?: BackupRecords | undefined
  /** Reads of the server under way at once; default 4. */
  readonly concurrency?: number | undefined
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export interface AgainstReport {
  /** The backup's id. */
  readonly backup: string
  readonly url: string
  readonly status: 'equal' | 'different'
  readonly collections: readonly CollectionAgainst[]
  /** Collections of the same databases that the backup does not have; they are no difference. */
  readonly onlyOnServer: readonly string[]
  /** Records of the backup that were compared. */
  readonly records: number
  readonly durationMs: number
  /** 0, or 3 when something differs. */
  readonly exitCode: 0 | 3
}

export interface CollectionAgainst {
  /** In the backup. */
  readonly source: CollectionName
  /** On the server. */
  readonly target: CollectionName
  /** `missing`: the server does not have it. */
  readonly status: 'equal' | 'different' | 'missing'
  readonly comparison: Comparison | null
  /** What differs beside the records: metadata, space, index settings. */
  readonly warnings: readonly Warning[]
}

/**
 * Compares collections of a server with a backup, record by record. Reads only. A collection that is written
 * to meanwhile will differ.
 *
 * Rejects with a CollectionNotFoundError (10), an ObjectDamagedError (13), an error of the store or of the
 * server, or an AbortedError.
 */
export async function verifyAgainst(job: VerifyAgainstJob): Promise<AgainstReport> {
  const asked = { ...job, mode: 'create' as const, allowPartial: true }
  return withRestoreSelection(asked, (selection) => compareSelection(job, selection))
}

async function compareSelection(
  job: VerifyAgainstJob,
  { source, items }: RestoreSelection,
): Promise<AgainstReport> {
  const started = job.now().getTime()
  const { api, signal, progress } = job
  const survey = await surveyTargets(
    api,
    items.map(({ target }) => target),
    signal,
  )
  const compareAll = async (within: Progress) => {
    const collections: CollectionAgainst[] = []
    for (const { definition, target } of items) {
      const existing = survey.find(target)
      const records = () => SourceRecords.open(source, definition, signal)
      const found =
        existing === undefined
          ? { status: 'missing' as const, comparison: null, warnings: [] }
          : await compareOne({ ...job, progress: within }, await records(), existing)
      collections.push({ source: nameOf(definition), target, ...found })
      if (existing === undefined)
        progress.warn({ code: 'COLLECTION_MISSING', message: `${displayName(target)} is not there` })
    }
    return collections
  }
  const collections = await withOverall(job, items, survey, compareAll)
  const expected = new Set(items.map(({ target }) => displayName(target)))
  const different = collections.some(({ status }) => status !== 'equal')
  return {
    backup: job.head.id,
    url: api.transport.displayUrl,
    status: different ? 'different' : 'equal',
    collections,
    onlyOnServer: survey.collections
      .filter((collection) => !isHousekeeping(collection) && !expected.has(displayName(collection)))
      .map(displayName),
    records: collections.reduce((sum, { comparison }) => sum + (comparison?.records ?? 0), 0),
    durationMs: job.now().getTime() - started,
    exitCode: different ? 3 : 0,
  }
}

/** One line for all collections, if there are several to compare. */
async function withOverall<T>(
  { progress }: VerifyAgainstJob,
  items: readonly RestoreItem[],
  survey: TargetSurvey,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const there = items.filter(({ target }) => survey.find(target) !== undefined)
  if (there.length < 2) return work(progress)
  const total = there.reduce((sum, { records }) => sum + records, 0)
  return withOverallProgress(progress, { task: 'all', phase: 'compare', unit: 'records', total }, work)
}

async function compareOne(
  { api, concurrency, progress, signal }: VerifyAgainstJob,
  expected: SourceRecords,
  existing: CollectionDefinition,
): Promise<Omit<CollectionAgainst, 'source' | 'target'>> {
  const comparison = await compareCollection({
    expected,
    actual: serverLookup(api, existing),
    space: spaceOf(expected.definition),
    task: displayName(existing),
    concurrency,
    progress,
    signal,
  })
  const warnings = fidelityWarnings(expected.definition, existing)
  return { status: comparison.equal ? 'equal' : 'different', comparison, warnings }
}

function nameOf({ tenant, database, name }: CollectionName): CollectionName {
  return { tenant, database, name }
}
