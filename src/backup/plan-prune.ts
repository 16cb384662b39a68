import pLimit from 'p-limit'

import { isSpared } from './live-sessions.js'
import type { BackupHead } from './manifest.js'
import { ObjectKeys, ownerOf } from './needed-objects.js'
import type { ObjectFigures, PruneJob, PruneResult, PurgeObstacle } from './prune-job.js'
import { purgesNow, surveyRepository, type Survey } from './survey-repository.js'
import type { DamagedTrash, TrashedBackup } from './trash.js'

/** Backups whose catalogues are read at the same time. */
const CONCURRENT_READS = 4

/** Which objects are needed, and by what. */
export interface Needs {
  /** By backups that stay, and by what pins hold. */
  readonly stays: ObjectKeys
  /** By removed backups that can be put back. */
  readonly waits: ObjectKeys
  /** By removed backups that are purged; only known when the age of objects does not matter. */
  readonly goes: ObjectKeys
  readonly obstacles: readonly PurgeObstacle[]
}

/** Says what {@link applyPrune} would do; changes nothing. Rejects with a ClockSkewError (15). */
export async function planPrune(job: PruneJob): Promise<PruneResult> {
  const survey = await surveyRepository(job)
  const needs = await findNeeds(job, survey)
  const { figures } = await weigh(job, survey, needs)
  return resultOf(survey, needs, figures, false)
}

export async function findNeeds(job: PruneJob, survey: Survey): Promise<Needs> {
  const { repository, signal } = job
  const stays = new ObjectKeys()
  const waits = new ObjectKeys()
  const goes = new ObjectKeys()
  const obstacles: PurgeObstacle[] = []
  const add = async (keys: ObjectKeys, head: BackupHead) => {
    const damage = await keys.addObjectsOf(repository, head, signal)
    if (damage !== null) obstacles.push(obstacleOf(head.id, damage))
  }
  const removed = new Set(survey.backups.flatMap(({ id, decision }) => (decision === 'remove' ? [id] : [])))
  const limit = pLimit(CONCURRENT_READS)
  await limit.map(survey.entries, async ({ id, head, damaged }) => {
    const isGivenUp = removed.has(id) && purgesNow(job, id)
    // What cannot be read of it, nobody needs any more.
    if (isGivenUp && head !== null) await goes.addObjectsOf(repository, head, signal)
    if (isGivenUp) return
    if (head === null) obstacles.push(obstacleOf(id, damaged))
    else if (survey.fences.has(id)) obstacles.push(committedLate(id))
    else await add(removed.has(id) ? waits : stays, head)
  })
  const kept = new Set(survey.trash.flatMap(({ id, decision }) => (decision === 'keep' ? [id] : [])))
  for (const entry of survey.trashed) {
    const head = 'damaged' in entry ? null : entry.head
    if (!kept.has(entry.id)) {
      if (head !== null && purgesNow(job, entry.id)) await goes.addObjectsOf(repository, head, signal)
    } else if (head !== null) await add(waits, head)
    else obstacles.push(damagedInTrash(entry))
  }
  return { stays, waits, goes, obstacles }
}

export interface Weight {
  readonly stored: ObjectFigures
  readonly freed: ObjectFigures
  readonly freedLater: ObjectFigures
}

/** Goes through everything that is stored; also says which backups have objects, whether they exist or not. */
export async function weigh(
  job: PruneJob,
  survey: Survey,
  needs: Needs,
): Promise<{ readonly figures: Weight; readonly owners: ReadonlySet<string> }> {
  const owners = new Set<string>()
  const stored = { objects: 0, bytes: 0 }
  const freed = { objects: 0, bytes: 0 }
  const freedLater = { objects: 0, bytes: 0 }
  for await (const { key, size, modified } of job.repository.store.list('objects/', job.signal)) {
    const owner = ownerOf(key)
    if (owner === null) continue
    owners.add(owner)
    count(stored, size)
    if (needs.stays.has(key) || isSpared(survey.sessions, owner)) continue
    const goesNow = !needs.waits.has(key) && isOldEnough(job, needs, survey.now, key, modified)
    count(goesNow && needs.obstacles.length === 0 ? freed : freedLater, size)
  }
  return { figures: { stored, freed, freedLater }, owners }
}

/** Whether an object that nobody needs may be deleted. */
export function isOldEnough(
  { graceMs }: PruneJob,
  { goes }: Pick<Needs, 'goes'>,
  now: Date,
  key: string,
  modified: Date,
): boolean {
  return now.getTime() - modified.getTime() >= graceMs || goes.has(key)
}

export function resultOf(
  survey: Survey,
  { obstacles }: Needs,
  figures: Weight,
  applied: boolean,
): PruneResult {
  const { now, backups, trash, sessions, refusals } = survey
  const isBlocked = obstacles.length > 0
  return {
    applied,
    now: now.toISOString(),
    backups,
    trash: isBlocked ? trash.map((entry) => ({ ...entry, decision: 'keep' as const })) : trash,
    ...figures,
    obstacles,
    refusals: refusals.map(({ code, message, hint = null }) => ({ code, message, hint })),
    running: [...sessions.live],
    givenUp: sessions.expired,
  }
}

export function obstacleOf(
  backup: string,
  { code, message }: { readonly code: string; readonly message: string },
): PurgeObstacle {
  const hint =
    code === 'REPOSITORY_UNSUPPORTED'
      ? 'use the version of chroma-ops that wrote it'
      : `put it back from a copy of the repository, or ${givingUp(backup)}`
  return { backup, code, message, hint }
}

function committedLate(backup: string): PurgeObstacle {
  return {
    backup,
    code: 'COMMITTED_LATE',
    message: `${backup} was committed after its run had been given up: some of its objects may be gone`,
    hint: `if "chroma-ops backup verify ${backup}" finds it whole, delete locks/${backup}.json; else ${givingUp(backup)}`,
  }
}

function damagedInTrash(entry: TrashedBackup | DamagedTrash): PurgeObstacle {
  const message =
    'damaged' in entry
      ? entry.damaged.message
      : `the manifest of ${entry.id} was damaged when it was removed, and it can still be put back`
  return { backup: entry.id, code: 'TRASH_DAMAGED', message, hint: givingUp(entry.id) }
}

function givingUp(backup: string): string {
  return `give the backup up: "chroma-ops backup prune ${backup} --purge-now --apply"`
}

function count(figures: { objects: number; bytes: number }, size: number): void {
  figures.objects++
  figures.bytes += size
}
