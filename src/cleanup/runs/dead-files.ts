import { lstat, readdir, rm } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../../core/errors.js'
import { findHolder } from '../../datadir/holder.js'
import { explained, explainedReading } from '../../datadir/own-folder.js'
import type { Leftover, LeftoverPlace } from './leftover.js'

export interface DeadFilesJob {
  readonly folder: string
  /** Of names in the folder. */
  readonly isOurs: (name: string) => boolean
  /** Look into the folders below, too. */
  readonly deep: boolean
  /** Untouched for so long. A folder counts by the newest thing in it. */
  readonly silentMs: number
  readonly now: () => Date
}

/** Temporary files and folders of runs that were killed. Symbolic links are never followed. */
export function deadFiles(job: DeadFilesJob): LeftoverPlace {
  return {
    find: () => findIn(job, job.folder),
    async remove({ name }) {
      if ((await ageOf(job, name)) <= job.silentMs || (await isInUse(name))) return
      await rm(name, { recursive: true, force: true }).catch((error: unknown) => {
        throw explained(error, `delete ${name}`)
      })
    },
  }
}

/** What backups, drills and others make in a folder for temporary files. */
export function isTemporary(name: string): boolean {
  return /^chroma-ops-((copy|drill|serve|snapshot|recovered|cache)-[A-Za-z0-9]{6}|ids-[0-9a-f-]{36})$/.test(
    name,
  )
}

/** What a local repository writes before it renames: `<name>~<uuid>`. */
export function isUnfinishedBlob(name: string): boolean {
  return /~[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(name)
}

/** What a vacuum through another file system writes in `.chroma-ops`. */
export function isUnfinishedVacuum(name: string): boolean {
  return /^vacuum-\d{8}T\d{6}Z-[0-9a-f]{6}\.sqlite3$/.test(name)
}

async function findIn(job: DeadFilesJob, folder: string): Promise<readonly Leftover[]> {
  const found: Leftover[] = []
  for (const name of await namesIn(folder)) {
    const file = path.join(folder, name)
    if (job.isOurs(name)) {
      const age = await ageOf(job, file)
      if (age > job.silentMs && !(await isInUse(file)))
        found.push({
          kind: 'temporary',
          name: file,
          why: `not touched for ${Math.floor(age / 60_000)} minutes`,
          bytes: (await measure(file)).bytes,
        })
    } else if (job.deep && (await lstat(file)).isDirectory()) {
      found.push(...(await findIn(job, file)))
    }
  }
  return found
}

/** A server that looks into a backup may touch nothing for days. */
async function isInUse(file: string): Promise<boolean> {
  if (!(await lstat(file)).isDirectory()) return false
  const inside = await readdir(file, { withFileTypes: true })
  const folders = inside.filter((entry) => entry.isDirectory()).map(({ name }) => path.join(file, name))
  for (const folder of [file, ...folders]) if ((await findHolder(folder)).state === 'held') return true
  return false
}

async function ageOf({ now }: DeadFilesJob, file: string): Promise<number> {
  return now().getTime() - (await measure(file)).newest
}

interface Measure {
  /** Milliseconds since 1970. */
  readonly newest: number
  readonly bytes: number
}

async function measure(file: string): Promise<Measure> {
  const found = await lstat(file)
  let newest = found.mtimeMs
  let bytes = found.blocks * 512
  if (found.isDirectory())
    for (const name of await namesIn(file)) {
      const inside = await measure(path.join(file, name))
      newest = Math.max(newest, inside.newest)
      bytes += inside.bytes
    }
  return { newest, bytes }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw explainedReading(error, folder)
  }
}
