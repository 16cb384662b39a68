import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'

import { throwIfAborted } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { pendingSwap } from '../datadir/directory-swap.js'
import { takeSnapshot, type Snapshot } from '../datadir/snapshot.js'
import type { SnapshotProof } from '../datadir/snapshot-proof.js'
import { SwapUndecidedError } from '../datadir/swap-journal.js'
import { commitBackup, removeLeftovers, warnOfLeftovers } from './commit.js'
import { describePhysicalBackup, entryOf } from './describe-physical.js'
import { FileWriter } from './file-writer.js'
import { narrowingOf, refusalOf } from './guards.js'
import { findDeadRuns, LeftObjects } from './left-objects.js'
import { listBackups, readableHeads } from './list-backups.js'
import type { BackupHead } from './manifest.js'
import { MAX_OBJECT_BYTES } from './object-reference.js'
import { ObjectWriter } from './object-writer.js'
import { ParentFiles } from './parent-files.js'
import type { PhysicalBackupJob, PhysicalBackupSummary } from './physical-job.js'
import { PresentObjects } from './present-objects.js'
import { proveFiles } from './prove-files.js'
import { countsAsLatest } from './resolve-backup.js'
import { checkSeries } from './series.js'
import { takeTurn } from './turn.js'
import { writeFileTable } from './write-file-table.js'

export type { PhysicalBackupJob, PhysicalBackupSummary } from './physical-job.js'

const DEFAULT_CONCURRENCY = 4
const MAX_STALL_MS = 5000
const PROOFS = 3

/**
 * Copies the files of a data directory into the repository, as they were at one moment, also while a server
 * works on it. The copy is proven before it counts: the database is sound, and every record has its vector.
 * A directory that is itself damaged gives a `partial` backup.
 *
 * Rejects with what `takeSnapshot` rejects with, a GuardError (15), an error of the store, or an AbortedError;
 * then there is no new backup and the old ones are as they were.
 */
export async function createPhysicalBackup(job: PhysicalBackupJob): Promise<PhysicalBackupSummary> {
  checkSeries(job.series)
  await refuseHalfSwapped(job.directory)
  const { repository, progress, signal } = job
  const { seen, id, session } = await takeTurn(job, () => look(job))
  const { previous, parent, resumes, started } = seen
  const concurrency = job.concurrency ?? DEFAULT_CONCURRENCY
  let objects: ObjectWriter | undefined
  let committing = false
  try {
    const left = await LeftObjects.open(repository, resumes, signal)
    const bytesOnTheirWay = concurrency * MAX_OBJECT_BYTES
    objects = new ObjectWriter({ repository, backup: id, concurrency, bytesOnTheirWay, left, signal })
    const run = { job, id, started, parent, previous, objects, left }
    const { head, ...summary } = await withStaging(job, (staging) => storeFiles(run, staging))
    throwIfAborted(signal)
    committing = true
    await commitBackup(repository, head, signal)
    await left.forget(progress)
    return { head, ...summary }
  } catch (error) {
    await objects?.settle()
    // See `createBackup`.
    const isGone = await session.end()
    if (!isGone) warnOfLeftovers(id, 'the next backup goes on from them', progress)
    else if (!committing) await removeLeftovers(repository, id, progress)
    throw error
  } finally {
    await session.end()
  }
}

async function look(job: PhysicalBackupJob) {
  const { repository, series, signal } = job
  const entries = await listBackups(repository, { series, signal })
  const heads = readableHeads(entries)
  const previous = heads.find(countsAsLatest) ?? null
  const parentHead = heads.find((head) => countsAsLatest(head) && head.type === 'physical')
  const started = job.now()
  const parent = parentHead ? await ParentFiles.open({ ...job, head: parentHead }) : null
  const pins = parent === null ? [] : [parent.head.id]
  const resumes = job.resume === false ? [] : await findDeadRuns(repository, series, signal)
  return { entries, previous, parent, pins, resumes, started }
}

async function refuseHalfSwapped(directory: string): Promise<void> {
  const pending = await pendingSwap(directory)
  if (pending === null) return
  throw new SwapUndecidedError(`a restore of ${pending} into ${directory} was interrupted at its last step`, {
    hint: 'run the restore again: it finishes what is left to do',
  })
}

interface Run {
  readonly job: PhysicalBackupJob
  readonly id: string
  readonly started: Date
  readonly parent: ParentFiles | null
  readonly previous: BackupHead | null
  readonly objects: ObjectWriter
  readonly left: LeftObjects
}

async function withStaging<T>(
  { tempDir }: PhysicalBackupJob,
  work: (staging: string) => Promise<T>,
): Promise<T> {
  await mkdir(tempDir, { recursive: true })
  const staging = await mkdtemp(path.join(tempDir, 'chroma-ops-snapshot-'))
  try {
    return await work(staging)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** Everything but the manifest. */
async function storeFiles(run: Run, staging: string): Promise<PhysicalBackupSummary> {
  const { job, parent, objects, left } = run
  const { signal } = job
  const { snapshot, writer, proof, table } = await snapshotAndProof(run, staging)
  refuse(run, proof)
  const written = await writeFileTable({ table, entries: proof.collections.map(entryOf), objects, parent })
  const foreign = written.objects.filter((reference) => reference.backup !== run.id)
  await new PresentObjects(job.repository.store).checkAgain(foreign, signal)
  const head = describePhysicalBackup({
    ...run,
    parent: foreign.every((reference) => left.owns(reference)) ? null : (parent?.head.id ?? null),
    snapshot,
    proof,
    written,
    logicalBytes: writer.logicalBytes,
    addedBytes: objects.addedBytes + objects.resumed.bytes,
  })
  for (const { path: name, what } of snapshot.leftOut)
    job.progress.warn({ code: 'LEFT_OUT', message: `${name} is a ${what} and is not in the backup` })
  const problems = problemsOf(proof)
  for (const message of problems) job.progress.warn({ code: 'DIRECTORY_DAMAGED', message })
  return {
    head,
    collections: written.entries,
    files: snapshot.files.length,
    newBlockBytes: writer.newBlockBytes,
    leftOut: snapshot.leftOut,
    lockedMs: snapshot.lockedMs,
    problems,
    resumed: left.runs.length === 0 ? null : { runs: left.runs, ...objects.resumed },
    exitCode: head.status === 'complete' ? ExitCode.ok : ExitCode.critical,
  }
}

/**
 * What a proof finds wrong may be the copy's fault, should a server have come out of step just then: so it is
 * made again. What is still wrong then is wrong with the directory.
 */
async function snapshotAndProof(run: Run, staging: string) {
  const { job, objects, parent } = run
  const { directory, maxStallMs = MAX_STALL_MS, progress, signal } = job
  const writer = new FileWriter({ objects, parent, progress, signal })
  for (let attempt = 1; ; attempt++) {
    const folder = path.join(staging, String(attempt))
    await mkdir(folder)
    const take = writer.take.bind(writer)
    const snapshot: Snapshot = await takeSnapshot({
      directory,
      staging: folder,
      take,
      maxStallMs,
      progress,
      signal,
    })
    // The disk is at work while the copy is proven; what goes wrong with it is told below.
    const storing = objects.finish()
    storing.catch(() => {})
    const table = async () => {
      await storing
      return writer.table(snapshot.folders)
    }
    const proof = await proveFiles({ job, id: run.id, snapshot, table, folder: path.join(folder, 'proof') })
    await storing
    if (attempt === PROOFS || problemsOf(proof).length === 0)
      return { snapshot, writer, proof, table: await table() }
    await rm(folder, { recursive: true, force: true })
  }
}

function problemsOf({ problems, collections }: SnapshotProof): readonly string[] {
  return [...problems, ...collections.flatMap(({ problem }) => problem ?? [])]
}

function refuse({ job, previous }: Run, { tenants, collections }: SnapshotProof): void {
  const scope = { tenants, databases: null, exclude: [] }
  const narrowing = job.allowShrink ? null : narrowingOf(scope, previous)
  const refusal =
    narrowing ??
    refusalOf({
      scope,
      collections: collections.length,
      records: collections.reduce((sum, { records }) => sum + records, 0),
      previous,
      sourceUrl: job.directory,
      allowEmpty: job.allowEmpty,
      allowShrink: job.allowShrink,
    })
  if (refusal !== null) throw refusal
}
