import { lstat, mkdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import {
  DirectoryAccessError,
  DiskFullError,
  explained,
  explainedReading,
  makeOwnFolder,
  OWN_FOLDER,
} from '../datadir/own-folder.js'
import { giveToOwner } from '../datadir/swap-files.js'
import { syncFolder } from '../datadir/sync-folder.js'
import { writeDurably } from '../datadir/write-durably.js'
import { QuarantineRunError } from './errors.js'
import type { KeptDatabase } from './keep-database.js'
import type { RemovedThing } from './report.js'

/** `run.json` in the folder of a run: `<quarantine>/<run>/`, beside `indexes/<segment>/` and `rows.sqlite3`. */
export interface RunRecord {
  readonly format: 1
  readonly run: string
  /** The data directory, as it was called then. */
  readonly directory: string
  /** ISO 8601. */
  readonly created: string
  readonly state: 'open' | 'done' | 'undone' | 'partly undone'
  readonly removed: readonly RemovedThing[]
  /** Of a restore into the directory, which keeps here what it replaced: what it put in its place. */
  readonly replacedBy?: string
  /** The database file as it was is in the folder, as `chroma.sqlite3`. */
  readonly database?: KeptDatabase
}

export const RUN_RECORD = 'run.json'
export const ROWS_FILE = 'rows.sqlite3'
export const INDEXES_FOLDER = 'indexes'

export function defaultQuarantine(directory: string): string {
  return path.join(directory, OWN_FOLDER, 'quarantine')
}

/** Makes the folder of a run with its first record, or nothing. Rejects with {@link DiskFullError} on a full disk. */
export async function beginRun(directory: string, quarantine: string, record: RunRecord): Promise<string> {
  try {
    const folder = await makeRunFolder(directory, quarantine, record.run)
    await writeRunRecord(folder, record)
    return folder
  } catch (error) {
    await rm(path.join(quarantine, record.run), { recursive: true, force: true })
    if (!(error instanceof DiskFullError)) throw error
    throw new DiskFullError(error.message, {
      cause: error,
      hint: 'put the quarantine on another file system with --quarantine-dir, or remove for good with --no-quarantine',
    })
  }
}

/** Makes the folder of a run, with the owner of the data directory. */
async function makeRunFolder(directory: string, quarantine: string, run: string): Promise<string> {
  if (quarantine === defaultQuarantine(directory)) await makeOwnFolder(directory)
  await makeFolder(quarantine, directory)
  const folder = path.join(quarantine, run)
  await makeFolder(folder, directory)
  await makeFolder(path.join(folder, INDEXES_FOLDER), directory)
  return folder
}

export async function writeRunRecord(folder: string, record: RunRecord): Promise<void> {
  const file = path.join(folder, RUN_RECORD)
  await writeDurably(file, `${JSON.stringify(record, null, 2)}\n`)
  await giveToOwner(file, record.directory)
}

/** Rejects with a {@link QuarantineRunError} when there is none, or it is not one. */
export async function readRunRecord(folder: string): Promise<RunRecord> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path.join(folder, RUN_RECORD), 'utf8'))
    if (isRunRecord(parsed)) return parsed
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR') && !(error instanceof SyntaxError))
      throw explainedReading(error, folder)
  }
  throw new QuarantineRunError(`${folder} has no readable ${RUN_RECORD}`, {
    hint: 'see chroma-ops cleanup quarantine list',
  })
}

async function makeFolder(folder: string, directory: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
    await giveToOwner(folder, directory)
    await syncFolder(path.dirname(folder))
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw explained(error, `make ${folder}`)
    if (!(await lstat(folder)).isDirectory())
      throw new DirectoryAccessError(`${folder} is not a directory`, {
        hint: 'symbolic links are not followed; remove it, or name a folder with --quarantine-dir',
      })
  }
}

function isRunRecord(value: unknown): value is RunRecord {
  if (typeof value !== 'object' || value === null) return false
  const fields = new Map<string, unknown>(Object.entries(value))
  return (
    fields.get('format') === 1 &&
    typeof fields.get('run') === 'string' &&
    typeof fields.get('created') === 'string' &&
    typeof fields.get('state') === 'string' &&
    Array.isArray(fields.get('removed'))
  )
}
