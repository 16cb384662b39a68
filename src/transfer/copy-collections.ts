import type { Warning } from '../core/progress.js'
import { displayName } from '../core/records.js'
import { asCopy } from './copy-errors.js'
import {
  copyActionOf,
  planCopyItems,
  refuseCopies,
  refuseShrinking,
  type PlannedCopyWork,
} from './copy-items.js'
import type { CopyJob } from './copy-job.js'
import type { CopyPassesResult } from './copy-passes.js'
import { copyPreparation, type CopyFigures } from './copy-prepare.js'
import { selectForCopy } from './copy-selection.js'
import type { CollectionCopied, CopyConsistency, CopySummary } from './copy-summary.js'
import type { PlannedItem } from './plan-items.js'
import type { CollectionRestored } from './restore-plan.js'
import { carryOut } from './restore-records.js'

/**
 * Copies collections from one server to another, or within one. Every collection is built under a temporary name
 * and compared record by record before it gets its own; tenants and databases that are missing are created. The
 * source may be written to meanwhile: what has changed is written again, and what then still may be different is
 * told. Killed at any moment and run again with the same arguments, it goes on where it was.
 *
 * Rejects with a CollectionNotFoundError (10), a UsageError (2) for names that clash or a copy onto itself, a
 * GuardError (15): `COPY_EMPTY`, `COPY_SHRINKS`, a CopyError (15): `COPY_TARGET_EXISTS`, `COPY_TARGET_UNFIT`,
 * `COPY_TARGET_FOREIGN`, `COPY_NAME_TAKEN`, a CopyDiffersError (13), an error of either server, or an AbortedError.
 */
export async function copyCollections(job: CopyJob): Promise<CopySummary> {
  const started = job.now().getTime()
  job.from.transport.useBatchRetries()
  const records = await selectForCopy(job)
  return asCopy(job.progress, async (progress) => {
    const work = await planCopyItems(job, { ...records, progress })
    refuseCopies(work.planned)
    await refuseShrinking(job, work)
    const figures: CopyFigures = new Map()
    const prepare = copyPreparation(job, work.copied, figures)
    const restored = await carryOut({ ...work, prepare })
    const collections: CollectionCopied[] = []
    for (const [at, planned] of work.planned.entries()) {
      const done = restored[at]
      if (done === undefined) continue
      collections.push(describe(work, planned, done, figures.get(planned) ?? null))
    }
    return summaryOf(job, collections, started)
  })
}

function summaryOf(job: CopyJob, collections: readonly CollectionCopied[], started: number): CopySummary {
  const sum = (figure: (collection: CollectionCopied) => number) =>
    collections.reduce((total, collection) => total + figure(collection), 0)
  const compared = collections.flatMap(({ equal }) => equal ?? [])
  return {
    from: job.from.transport.displayUrl,
    to: job.to.transport.displayUrl,
    mode: job.mode ?? 'create',
    sync: job.sync ?? false,
    collections,
    records: sum(({ records }) => records),
    written: sum(({ written }) => written),
    changed: sum(({ changed }) => changed),
    deleted: sum(({ deleted }) => deleted),
    durationMs: job.now().getTime() - started,
    equal: compared.length === 0 ? null : compared.every((equal) => equal),
    exitCode: exitCodeOf(collections),
  }
}

function exitCodeOf(collections: readonly CollectionCopied[]): 0 | 3 | 4 {
  if (collections.some(({ withoutVector }) => withoutVector > 0)) return 4
  return collections.some(({ consistency }) => consistency?.kind === 'fuzzy') ? 3 : 0
}

function describe(
  { synced }: PlannedCopyWork,
  planned: PlannedItem,
  done: CollectionRestored,
  passes: CopyPassesResult | null,
): CollectionCopied {
  const action = copyActionOf(planned, synced.has(planned))
  const { source, target, id, records, written, deleted, withoutVector, keptAs } = done
  return {
    source,
    target,
    id,
    action: action === 'refuse' ? 'create' : action,
    records,
    written,
    changed: passes?.changed ?? 0,
    deleted,
    extra: passes?.extra ?? 0,
    withoutVector,
    passes: passes?.passes ?? 0,
    equal: passes?.equal ?? null,
    orderDiffers: passes?.orderDiffers ?? false,
    tolerated: passes?.tolerated ?? { metadataFloats: 0, vectors: 0 },
    consistency: passes && consistencyOf(passes),
    keptAs,
    warnings: [...done.warnings, ...warningsOf(done, passes)],
  }
}

function consistencyOf({ consistency, lastChanges }: CopyPassesResult): CopyConsistency {
  const { added, removed, missing } = consistency
  const kind = added + removed + missing + lastChanges === 0 ? 'quiesced' : 'fuzzy'
  return { kind, added, removed, missing, changed: lastChanges }
}

function warningsOf(
  { target, source, action }: CollectionRestored,
  passes: CopyPassesResult | null,
): readonly Warning[] {
  if (passes === null) return []
  const warnings: Warning[] = []
  const { withoutVector, orderDiffers } = passes
  if (withoutVector > 0)
    warnings.push({
      code: 'VECTORS_LOST',
      message: `${displayName(source)}: ${withoutVector} records have no vector and stay out`,
    })
  if (orderDiffers && action !== 'add-missing')
    warnings.push({
      code: 'ORDER_DIFFERS',
      message: `${displayName(target)} has its records in another order than the source`,
    })
  return warnings
}
