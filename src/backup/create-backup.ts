import { throwIfAborted } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { withOverallProgress } from '../core/overall-progress.js'
import type { BackupJob, BackupSummary } from './backup-job.js'
import { writeContents, type CollectionOutcome } from './backup-writer.js'
import { writeCollections, type WriteCollectionsJob } from './write-collections.js'
import { commitBackup, removeLeftovers, warnOfLeftovers } from './commit.js'
import { narrowingOf, refusalOf, refusalWithoutParent } from './guards.js'
import { describeBackup } from './describe-backup.js'
import { findDeadRuns, LeftObjects } from './left-objects.js'
import { ObjectWriter } from './object-writer.js'
import { PresentObjects } from './present-objects.js'
import { ParentBackup } from './reuse.js'
import { countNewCollections, findScope, typeOf, type BackupScopeFound } from './scope.js'
import { takeTurn } from './turn.js'

const DEFAULT_CONCURRENCY = 4

/**
 * Copies every collection in scope into the repository: objects first, the manifest last. A collection that
 * cannot be read does not stop the others; the backup is then `partial`. When this rejects, there is no new
 * backup and the old ones are as they were.
 *
 * Rejects with a GuardError (15), a CollectionNotFoundError (10), an error of the store or of the source, or
 * an AbortedError.
 */
export async function createBackup(job: BackupJob): Promise<BackupSummary> {
  const { repository, progress, signal } = job
  const { seen, id, session } = await takeTurn(job, () => look(job))
  const { scope, parent, resumes, started } = seen
  warnOfClock(job, scope, started)
  const concurrency = job.concurrency ?? DEFAULT_CONCURRENCY
  let objects: ObjectWriter | undefined
  let committing = false
  try {
    const left = await LeftObjects.open(repository, resumes, signal)
    objects = new ObjectWriter({ repository, backup: id, concurrency, left, signal })
    const { outcomes, removed } = await writeAll({ job, collections: scope.collections, objects, parent })
    const [added] = await Promise.all([countNewCollections(job, scope.collections), objects.finish()])
    // A partial backup is never the one that later ones are measured by; refusing it would only lose it.
    if (outcomes.every(({ status }) => status === 'written')) refuse(job, scope, recordsOf(outcomes))
    const written = await writeContents(outcomes, objects)
    const foreign = [...written.objects.values()].filter((reference) => reference.backup !== id)
    await new PresentObjects(repository.store).checkAgain(foreign, signal)
    throwIfAborted(signal)
    const head = describeBackup({
      job,
      id,
      type: typeOf(scope.isWhole, parent),
      started,
      parent: foreign.every((reference) => left.owns(reference)) ? null : (parent?.head.id ?? null),
      written,
      addedBytes: objects.addedBytes + objects.resumed.bytes,
      collectionsAdded: added,
      collectionsRemoved: removed,
    })
    committing = true
    await commitBackup(repository, head, signal)
    await left.forget(progress)
    const exitCode = exitCodeOf(outcomes)
    return {
      head,
      collections: written.entries,
      unchangedCollections: written.unchangedCollections,
      resumed: left.runs.length === 0 ? null : { runs: left.runs, ...objects.resumed },
      exitCode,
    }
  } catch (error) {
    await objects?.settle()
    // The session first, so that nobody goes on from what is removed. Once the manifest is on its way, nobody knows
    // whether it arrived: then the objects stay.
    const isGone = await session.end()
    if (!isGone) warnOfLeftovers(id, 'the next backup goes on from them', progress)
    else if (!committing) await removeLeftovers(repository, id, progress)
    throw error
  } finally {
    await session.end()
  }
}

/** At the source and in the repository; refuses what need not even begin. */
async function look(job: BackupJob) {
  const { repository, progress, signal } = job
  const scope = await findScope(job)
  if (scope.collections.length === 0) refuse(job, scope, 0)
  refuseNarrowing(job, scope)
  const started = job.now()
  const parent =
    scope.parent && (await ParentBackup.open({ repository, head: scope.parent, progress, signal }))
  const refusal = refusalWithoutParent(job.type, parent)
  if (refusal !== null) throw refusal
  const pins = parent === null ? [] : [parent.head.id]
  const resumes = job.resume === false ? [] : await findDeadRuns(repository, job.series, signal)
  return { scope, entries: scope.entries, parent, pins, resumes, started }
}

async function writeAll(work: WriteCollectionsJob) {
  const { job, collections } = work
  const total = collections.length
  if (total < 2) return writeCollections(work)
  const overall = { task: 'all', phase: 'read', unit: 'collections', total } as const
  return withOverallProgress(job.progress, overall, (progress) =>
    writeCollections({ ...work, job: { ...job, progress } }),
  )
}

function recordsOf(outcomes: readonly CollectionOutcome[]): number {
  return outcomes.reduce(
    (sum, outcome) => sum + (outcome.status === 'written' ? outcome.collection.records : 0),
    0,
  )
}

function refuse(job: BackupJob, scope: BackupScopeFound, records: number): void {
  const refusal = refusalOf({
    scope: { ...job.scope, exclude: job.exclude ?? [] },
    collections: scope.collections.length,
    records,
    previous: scope.isWhole ? scope.previous : null,
    sourceUrl: job.target.url,
    allowEmpty: job.allowEmpty,
    allowShrink: job.allowShrink,
  })
  if (refusal !== null) throw refusal
}

/** Told before anything is read. */
function refuseNarrowing(job: BackupJob, { isWhole, previous }: BackupScopeFound): void {
  if (job.allowShrink || !isWhole) return
  const refusal = narrowingOf({ ...job.scope, exclude: job.exclude ?? [] }, previous)
  if (refusal !== null) throw refusal
}

function warnOfClock(job: BackupJob, scope: BackupScopeFound, started: Date): void {
  const newest = scope.entries[0]?.head?.created
  if (newest === undefined || Date.parse(newest) <= started.getTime()) return
  const message = `the newest backup of the series was made at ${newest}, later than this machine's clock`
  job.progress.warn({ code: 'CLOCK_BEHIND', message })
}

function exitCodeOf(outcomes: readonly CollectionOutcome[]): 0 | 3 | 4 {
  if (outcomes.some((outcome) => outcome.status === 'written' && outcome.collection.missingVectors > 0)) {
    return ExitCode.critical
  }
  const isPartial = (outcome: CollectionOutcome) =>
    outcome.status === 'failed' || outcome.collection.damage !== null
  return outcomes.some(isPartial) ? ExitCode.findings : ExitCode.ok
}
