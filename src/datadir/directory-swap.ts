import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'

import { asError } from '../core/errors.js'
import { DATABASE_FILE } from './data-directory.js'
import { explained, makeOwnFolder, OWN_FOLDER } from './own-folder.js'
import { giveToOwner, isThere, moveIfThere, removeEmpty } from './swap-files.js'
import {
  readJournal,
  removeJournal,
  SwapUndecidedError,
  writeJournal,
  type SwapJournal,
} from './swap-journal.js'
import { syncFolder } from './sync-folder.js'
import { writeDurably } from './write-durably.js'

export interface SwapJob {
  readonly directory: string
  /** Of the run, unique: names its folders in `staging` and `quarantine`. */
  readonly run: string
  /** What the new contents are, such as the id of a backup. */
  readonly contents: string
  /** False: the old contents are deleted after the swap. */
  readonly keepOld: boolean
  readonly now: Date
}

export interface SwapDone {
  readonly run: string
  readonly contents: string
  /** Where the old contents are; null when there were none, or they were deleted. */
  readonly keptAs: string | null
}

/** Where a run puts the new contents, all of them durable, before {@link swapDirectory}. */
export async function makeStaging(directory: string, run: string): Promise<string> {
  const own = await makeOwnFolder(directory)
  const staging = stagingOf(own, run)
  try {
    await mkdir(staging, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw explained(error, `make ${staging}`)
  }
  return staging
}

/** What is in a data directory beside what chroma-ops keeps there. */
export async function contentsOf(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory)
  return names.filter((name) => name !== OWN_FOLDER && name !== 'lost+found').sort()
}

/**
 * Puts the staged contents in place of those of the directory, child by child: the directory itself may be a
 * mount point. A journal tells the next run what was meant, should this one be killed; until it is finished
 * there is no database in the directory, so that no server takes the half for the whole. The caller holds
 * the directory's lock, and nobody works on it.
 *
 * Rejects with a file system error after everything has been put back, or with a {@link SwapUndecidedError}.
 */
export async function swapDirectory(job: SwapJob): Promise<SwapDone> {
  const own = await makeOwnFolder(job.directory)
  const staging = stagingOf(own, job.run)
  await giveToOwner(staging, job.directory)
  const journal: SwapJournal = {
    format: 1,
    kind: 'swap',
    run: job.run,
    contents: job.contents,
    created: job.now.toISOString(),
    keepOld: job.keepOld,
    old: [...(await contentsOf(job.directory))],
    new: await readdir(staging),
  }
  await syncFolder(path.dirname(staging))
  await writeJournal(own, journal)
  return finish(job.directory, journal)
}

/**
 * Finishes the swap of a run that was killed, or takes it back where its new contents are gone; null when there
 * is none. The caller holds the directory's lock. Rejects with a {@link SwapUndecidedError} (17).
 */
export async function finishSwap(directory: string): Promise<SwapDone | null> {
  const journal = await readJournal(directory)
  return journal === null ? null : finish(directory, journal)
}

/** The contents that an interrupted run meant to put in place; null when there is none. */
export async function pendingSwap(directory: string): Promise<string | null> {
  return (await readJournal(directory))?.contents ?? null
}

async function finish(directory: string, journal: SwapJournal): Promise<SwapDone> {
  const own = path.join(directory, OWN_FOLDER)
  const staging = stagingOf(own, journal.run)
  const run = path.join(own, 'quarantine', journal.run)
  const places: Places = { directory, staging, old: path.join(run, 'replaced'), journal }
  const isWhole = await everyNewIsThere(places)
  let failure: Error | null = isWhole ? null : new Error('the new contents are gone')
  if (failure === null) {
    try {
      await forward(places, run)
    } catch (error) {
      if (error instanceof SwapUndecidedError) throw error
      failure = asError(error)
    }
  }
  if (failure !== null) {
    await backward(places)
    await removeJournal(own)
    throw explained(failure, `swap the contents of ${directory}`)
  }
  await removeJournal(own)
  await rm(staging, { recursive: true, force: true })
  const kept = journal.keepOld && journal.old.length > 0
  if (!kept) await rm(run, { recursive: true, force: true })
  return { run: journal.run, contents: journal.contents, keptAs: kept ? run : null }
}

interface Places {
  readonly directory: string
  readonly staging: string
  readonly old: string
  readonly journal: SwapJournal
}

/** Every step may have been done already. */
async function forward({ directory, staging, old, journal }: Places, run: string): Promise<void> {
  if (journal.old.length > 0) {
    await mkdir(old, { recursive: true, mode: 0o700 })
    await writeDurably(
      path.join(run, 'run.json'),
      `${JSON.stringify(quarantineRecord(directory, journal))}\n`,
    )
    await giveToOwner(run, directory)
  }
  for (const name of databaseFirst(journal.old)) {
    // Where the new one has its name already, this is it.
    const isNew = journal.new.includes(name) && !(await isThere(path.join(staging, name)))
    if (!isNew) await moveIfThere(path.join(directory, name), path.join(old, name))
  }
  if (journal.old.length > 0) await syncFolder(old)
  await syncFolder(directory)
  for (const name of databaseFirst(journal.new).reverse()) {
    const [from, to] = [path.join(staging, name), path.join(directory, name)]
    if (!(await isThere(from))) continue
    if (await isThere(to))
      throw new SwapUndecidedError(`${to} appeared while the contents of ${directory} were being replaced`, {
        hint: `stop what made it and move it away, then run the restore again; the old contents are in ${old}`,
      })
    await rename(from, to)
  }
  await syncFolder(directory)
}

async function backward({ directory, staging, old, journal }: Places): Promise<void> {
  for (const name of databaseFirst(journal.new)) {
    const isPlaced = !(await isThere(path.join(staging, name)))
    const hasOld = journal.old.includes(name)
    // The name may still be the old one's.
    if (isPlaced && (!hasOld || (await isThere(path.join(old, name)))))
      await moveIfThere(path.join(directory, name), path.join(staging, name))
  }
  for (const name of databaseFirst(journal.old).reverse())
    await moveIfThere(path.join(old, name), path.join(directory, name))
  await syncFolder(directory)
  await rm(path.join(path.dirname(old), 'run.json'), { force: true })
  for (const folder of [old, path.dirname(old)]) await removeEmpty(folder)
}

/** Whether each of the new children is where it was staged, or in its place. */
async function everyNewIsThere({ directory, staging, old, journal }: Places): Promise<boolean> {
  for (const name of journal.new) {
    if (await isThere(path.join(staging, name))) continue
    const mayBeOld = journal.old.includes(name) && !(await isThere(path.join(old, name)))
    if (mayBeOld || !(await isThere(path.join(directory, name)))) return false
  }
  return true
}

/** Listed and emptied with what cleanups keep; nothing that a cleanup could undo. */
function quarantineRecord(directory: string, { run, created, contents }: SwapJournal): object {
  return { format: 1, run, directory, created, state: 'undone', removed: [], replacedBy: contents }
}

function databaseFirst(names: readonly string[]): string[] {
  return [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
}

function rank(name: string): number {
  return name === DATABASE_FILE ? 0 : 1
}

function stagingOf(own: string, run: string): string {
  return path.join(own, 'staging', run)
}
