import pLimit from 'p-limit'

import type { OpsError } from '../core/errors.js'
import { parseBackupId } from './backup-id.js'
import { removeAllMarks } from './backup-marks.js'
import { listBackupIds, readEntry } from './list-backups.js'
import { fence, fenceKey, findSessions, isSpared, listFences, type SessionsFound } from './live-sessions.js'
import { MaintenanceLease } from './maintenance-lease.js'
import type { BackupHead } from './manifest.js'
import { ownerOf } from './needed-objects.js'
import { findNeeds, isOldEnough, obstacleOf, resultOf, weigh, type Needs } from './plan-prune.js'
import type { ApplyPruneJob, ObjectFigures, PruneResult, PurgeObstacle } from './prune-job.js'
import { deleteKey, removeBackup, tryDeletion } from './remove-backup.js'
import { decideTrash, expiryOf, purgesNow, surveyRepository, type Survey } from './survey-repository.js'
import { listTrash, trashKey } from './trash.js'

const CONCURRENT_DELETES = 8
/** Deletions that wait for their turn: bounds memory. */
const DELETES_AT_ONCE = 512
/** A run that was given up so long ago does not come back. */
const FENCE_MS = 400 * 24 * 3_600_000

/**
 * Removes the backups that the policy does not keep, and deletes what nobody needs any more. Safe beside backups that
 * run at the same time, and to be stopped at any moment: docs/retention.md says why.
 *
 * Rejects with the first refusal (15), a ClockSkewError (15), a BackupNotFoundError (10), a MaintenanceLockedError or
 * LeaseLostError (11), a NoConditionalWritesError (16), a DeletionNotAllowedError (14), or an error of the store.
 */
export async function applyPrune(job: ApplyPruneJob): Promise<PruneResult> {
  const { repository, now, signal } = job
  await tryDeletion(repository, now, signal)
  const lease = await MaintenanceLease.acquire({ ...job, task: 'prune', ttlMs: job.leaseTtlMs })
  try {
    const survey = await surveyRepository(job)
    const [refusal] = survey.refusals
    if (refusal !== undefined) throw refusal
    const needs = await findNeeds(job, survey)
    // Who has objects is found out before sessions are looked at again: a backup that begins later is left alone.
    const { figures, owners } = await weigh(job, survey, needs)
    const removed = await removeAll(job, lease, survey)
    const run = { job, lease, survey, needs, owners, removed, obstacles: [...needs.obstacles] }
    const freed = (await purge(run)) ?? { objects: 0, bytes: 0 }
    const result = resultOf(survey, { ...needs, obstacles: run.obstacles }, { ...figures, freed }, true)
    return { ...result, backups: result.backups.map((each) => asItWent(each, removed)) }
  } finally {
    await lease.release()
  }
}

function asItWent(
  each: PruneResult['backups'][number],
  removed: ReadonlySet<string>,
): PruneResult['backups'][number] {
  return each.decision === 'keep' || removed.has(each.id)
    ? each
    : { ...each, decision: 'keep', reasons: ['held'] }
}

/** Resolves with those that went; not those that were held in the last moment. */
async function removeAll(
  job: ApplyPruneJob,
  lease: MaintenanceLease,
  { backups }: Survey,
): Promise<ReadonlySet<string>> {
  const removed = new Set<string>()
  for (const backup of backups)
    if (backup.decision === 'remove' && (await removeBackup(job, lease, backup))) removed.add(backup.id)
  return removed
}

interface Purge {
  readonly job: ApplyPruneJob
  readonly lease: MaintenanceLease
  readonly survey: Survey
  readonly needs: Needs
  readonly owners: ReadonlySet<string>
  /** By this run. */
  readonly removed: ReadonlySet<string>
  readonly obstacles: PurgeObstacle[]
}

/** Null: it is not known what is needed, and nothing was deleted. */
async function purge(run: Purge): Promise<ObjectFigures | null> {
  const { job, lease, survey, obstacles } = run
  const { repository, signal } = job
  if (obstacles.length > 0) return null
  // Manifests are gone by now: a backup that begins from here on cannot rely on those that were removed.
  const { now } = survey
  const found = await findSessions(repository, { now, expiryMs: expiryOf(job), signal })
  const { listed, sessions } = await fenceExpired(run, found)
  await addNewBackups(run, listed)
  const purged = await choosePurged(run, sessions, listed)
  if (obstacles.length > 0) return null
  for (const id of purged) {
    await lease.confirm()
    await deleteKey(repository, trashKey(id), signal)
  }
  const freed = await deleteUnneeded(run, sessions)
  for (const id of purged) await removeAllMarks(repository, id, signal)
  await forgetRuns(run, sessions.expired)
  return freed
}

/**
 * Whoever is fenced cannot commit any more; whoever committed before that is in the list that this resolves with: the
 * ids of all backups. Nor can anybody go on from a fenced run; who had begun to do so is among the sessions.
 */
async function fenceExpired(
  run: Purge,
  found: SessionsFound,
): Promise<{ readonly listed: ReadonlySet<string>; readonly sessions: SessionsFound }> {
  const { job, lease, survey } = run
  const { repository, signal } = job
  const listed = await listBackupIds(repository, signal)
  const fenced = found.expired.filter((backup) => !listed.has(backup))
  if (fenced.length === 0) return { listed, sessions: found }
  for (const backup of fenced) {
    await lease.confirm()
    await fence(repository, backup, signal)
  }
  // Sessions before manifests: whoever ends meanwhile is seen among the one or the other.
  const again = { now: survey.now, expiryMs: Infinity, givenUp: new Set(fenced), signal }
  const sessions = both(found, await findSessions(repository, again))
  const now = await listBackupIds(repository, signal)
  // Committed in the last moment, and counted from here on.
  for (const backup of fenced) if (now.has(backup)) await deleteKey(repository, fenceKey(backup), signal)
  return { listed: now, sessions }
}

function both(first: SessionsFound, second: SessionsFound): SessionsFound {
  return {
    live: new Set([...first.live, ...second.live]),
    expired: first.expired,
    pins: new Map([...first.pins, ...second.pins]),
  }
}

/** What was committed since the survey needs its objects, too. */
async function addNewBackups(run: Purge, listed: ReadonlySet<string>): Promise<void> {
  const { job, survey } = run
  const known = new Set(survey.entries.map(({ id }) => id))
  for (const id of listed) {
    if (known.has(id)) continue
    const entry = await readEntry(job.repository, id, parseBackupId(id)?.series ?? '', job.signal)
    if (entry === null) continue
    if (entry.head === null) run.obstacles.push(obstacleOf(id, entry.damaged))
    else await addNeeds(run, entry.head)
  }
}

/** The entries of the trash that go; what stays after all, for somebody relies on it by now, needs its objects. */
async function choosePurged(
  run: Purge,
  sessions: SessionsFound,
  listed: ReadonlySet<string>,
): Promise<readonly string[]> {
  const { job, survey, removed } = run
  const expected = new Map(survey.trash.map(({ id, decision }) => [id, decision]))
  const purged: string[] = []
  for (const entry of await listTrash(job.repository, listed, job.signal)) {
    const { id } = entry
    const waits = removed.has(id) ? !purgesNow(job, id) : expected.get(id) === 'keep'
    if (waits) continue
    if (decideTrash(job, entry, { ...survey, sessions }).decision === 'purge') purged.push(id)
    else if (!('damaged' in entry) && entry.head !== null) await addNeeds(run, entry.head)
    else run.obstacles.push(obstacleOf(id, { code: 'TRASH_DAMAGED', message: `${trashKey(id)} is damaged` }))
  }
  return purged
}

async function addNeeds({ job, needs, obstacles }: Purge, head: BackupHead): Promise<void> {
  const damage: OpsError | null = await needs.stays.addObjectsOf(job.repository, head, job.signal)
  if (damage !== null) obstacles.push(obstacleOf(head.id, damage))
}

async function deleteUnneeded(
  { job, lease, survey, needs, owners }: Purge,
  sessions: SessionsFound,
): Promise<ObjectFigures> {
  const { repository, progress, signal } = job
  const limit = pLimit(CONCURRENT_DELETES)
  const freed = { objects: 0, bytes: 0 }
  let batch: { readonly key: string; readonly size: number }[] = []
  const flush = async () => {
    await limit.map(batch, async ({ key, size }) => {
      await lease.confirm()
      await deleteKey(repository, key, signal)
      freed.objects++
      freed.bytes += size
      progress.update({
        task: 'prune',
        phase: 'write',
        done: freed.objects,
        unit: 'objects',
        bytes: freed.bytes,
      })
    })
    batch = []
  }
  for await (const { key, size, modified } of repository.store.list('objects/', signal)) {
    const owner = ownerOf(key)
    if (
      owner === null ||
      !owners.has(owner) ||
      isSpared(sessions, owner) ||
      needs.stays.has(key) ||
      needs.waits.has(key)
    )
      continue
    if (!isOldEnough(job, needs, survey.now, key, modified)) continue
    batch.push({ key, size })
    if (batch.length >= DELETES_AT_ONCE) await flush()
  }
  await flush()
  return freed
}

/** Records of runs that were given up, and fences that have done their duty. */
async function forgetRuns({ job, lease, survey }: Purge, expired: readonly string[]): Promise<void> {
  const { repository, signal } = job
  for (const backup of expired) {
    await lease.confirm()
    await deleteKey(repository, `sessions/${backup}.json`, signal)
  }
  for (const [backup, since] of await listFences(repository, signal)) {
    if (survey.now.getTime() - since.getTime() < FENCE_MS) continue
    await lease.confirm()
    await deleteKey(repository, fenceKey(backup), signal)
  }
}
