import type { ServerFingerprint } from '../chroma/fingerprint.js'
import { serverLookup } from '../chroma/server-lookup.js'
import { GuardError } from '../core/errors.js'
import type { Warning } from '../core/progress.js'
import { displayName } from '../core/records.js'
import { expectedChanges } from './copy-changes.js'
import { asCopy } from './copy-errors.js'
import {
  copyActionOf,
  planCopyItems,
  refuseShrinking,
  removesExtra,
  type PlannedCopyWork,
} from './copy-items.js'
import type { CopyJob } from './copy-job.js'
import { copyPass } from './copy-pass.js'
import { selectForCopy } from './copy-selection.js'
import type { CopyPlan, PlannedCopy, PlannedDifference } from './copy-summary.js'
import type { PlannedItem } from './plan-items.js'
import { LimitCheck, type LimitsKind } from './target-limits.js'

/**
 * What `copyCollections` would do with the same job, and what of the source would not fit into the target: every
 * record is read and checked. Writes nothing. Rejects like it, except that refusals are told in the plan.
 */
export async function planCopy(job: CopyJob): Promise<CopyPlan> {
  job.from.transport.useBatchRetries()
  const records = await selectForCopy(job)
  return asCopy(job.progress, async (progress) => {
    const work = await planCopyItems(job, { ...records, progress })
    const refusals = await refusalsOf(job, work)
    const limits = job.limits ?? (job.to.mostPerRequest === Infinity ? 'local' : 'cloud')
    const collections: PlannedCopy[] = []
    for (const planned of work.planned) collections.push(await examine(job, work, planned, limits))
    const fits = collections.every((collection) => collection.limits.findings.length === 0)
    return {
      from: job.from.transport.displayUrl,
      to: job.to.transport.displayUrl,
      mode: records.mode,
      sync: job.sync ?? false,
      limits,
      collections,
      createTenants: work.survey.missingTenants,
      createDatabases: work.survey.missingDatabases.map(({ tenant, database }) => `${tenant}/${database}`),
      records: collections.reduce((sum, collection) => sum + collection.records, 0),
      bytes: collections.reduce((sum, collection) => sum + collection.bytes, 0),
      fits,
      refusals,
      exitCode: refusals.length > 0 ? 15 : fits ? 0 : 3,
    }
  })
}

async function refusalsOf(job: CopyJob, work: PlannedCopyWork): Promise<readonly Warning[]> {
  const refusals = work.planned.flatMap(({ refusal }): readonly Warning[] =>
    refusal === null ? [] : [{ ...refusal, code: refusal.code.replace(/^RESTORE_/, 'COPY_') }],
  )
  try {
    await refuseShrinking(job, work)
    return refusals
  } catch (error) {
    if (!(error instanceof GuardError)) throw error
    return [...refusals, { code: error.code, message: error.message }]
  }
}

async function examine(
  job: CopyJob,
  work: PlannedCopyWork,
  planned: PlannedItem,
  kind: LimitsKind,
): Promise<PlannedCopy> {
  const { item, existing, begun, action } = planned
  const { definition, target } = item
  const { tenant, database, name } = definition
  const fingerprint = await job.to.fingerprint(job.signal)
  const { capabilities } = fingerprint
  const check = new LimitCheck({ kind, definition, target, lists: takesLists(fingerprint) })
  const { difference, withoutVector } = await readAll(job, work, planned, check)
  return {
    source: { tenant, database, name },
    target,
    action: copyActionOf(planned, work.synced.has(planned)),
    resumes: begun !== null,
    records: check.records,
    bytes: check.bytes,
    existingRecords: existing === null ? null : await serverLookup(job.to, existing).count(job.signal),
    withoutVector,
    changes:
      action === 'create' || action === 'replace' ? expectedChanges(definition, kind, capabilities) : [],
    limits: check.report(),
    difference,
  }
}

/** A server that says nothing about itself gets the benefit of the doubt. */
function takesLists({ atLeast, capabilities }: ServerFingerprint): boolean {
  return capabilities.schema === null || atLeast === '1.5' || atLeast === '1.5.7'
}

/** Reads the source once: for the limits, and where records are to be filled in, for the difference. */
async function readAll(
  job: CopyJob,
  { job: records }: PlannedCopyWork,
  planned: PlannedItem,
  check: LimitCheck,
): Promise<{ readonly difference: PlannedDifference | null; readonly withoutVector: number }> {
  const { source } = records.origin
  const { item, existing, action } = planned
  const { signal, concurrency } = job
  const { definition } = item
  const { progress } = records
  if (existing !== null && (action === 'add-missing' || action === 'overwrite')) {
    const removes = removesExtra(job, planned)
    const pass = await copyPass({
      source,
      definition,
      api: job.to,
      collection: existing,
      phase: 'compare',
      number: 1,
      apply: false,
      change: false,
      remove: removes,
      inTurn: (write) => write(),
      onBatch: (batch) => {
        check.add(batch)
      },
      concurrency,
      progress,
      signal,
    })
    const { missing, differing, extra, samples, withoutVector } = pass
    const deletes = removes ? extra : 0
    // What is only added to keeps its own records.
    const changes = action === 'overwrite' ? differing : 0
    return { difference: { missing, differing, changes, extra, deletes, samples }, withoutVector }
  }
  const reader = await source.openCollection(definition, signal)
  const task = displayName(definition)
  let [done, withoutVector] = [0, 0]
  const update = (state?: 'done') =>
    progress.update({
      task,
      phase: 'read',
      done,
      total: Math.max(reader.expectedRecords, done),
      unit: 'records',
      ...(state && { state }),
    })
  for await (const batch of reader.batches(signal)) {
    check.add(batch)
    done += batch.ids.length
    withoutVector += batch.missingEmbeddings.length
    update()
  }
  update('done')
  return { difference: null, withoutVector }
}
