import { readFile } from 'node:fs/promises'

import { isErrno } from '../../core/errors.js'
import { fileSystemOf, type FileSystem } from '../../datadir/file-system.js'
import { findHolder, holderText, type Holder, type HoldingProcess } from '../../datadir/holder.js'
import type { Observation } from './catalogue.js'
import { bytesText } from './figures.js'

export interface Surroundings {
  readonly holder: Holder
  readonly disk: FileSystem
  readonly observations: readonly Observation[]
}

/** Who works on the directory, and what the disk under it is like. */
export async function checkSurroundings(job: {
  readonly directory: string
  /** Where SQLite puts its temporary files. */
  readonly sqliteTempDir: string
  readonly databaseBytes: number
}): Promise<Surroundings> {
  const holder = await findHolder(job.directory)
  const disk = await fileSystemOf(job.directory)
  return {
    holder,
    disk,
    observations: [
      ...(await holderObservations(holder)),
      ...diskObservations(job.directory, disk, job.databaseBytes),
      ...(await tempObservations(job.sqliteTempDir, job.databaseBytes)),
    ],
  }
}

const MIB = 1024 * 1024
const FULL = { bytes: 64 * MIB, share: 0.01 }
const NEARLY_FULL = { bytes: 512 * MIB, share: 0.05 }

async function holderObservations(holder: Holder): Promise<Observation[]> {
  if (holder.state === 'free') return []
  if (holder.state === 'unknown') return [{ id: 'HOLDER_UNKNOWN', evidence: holder.why }]
  const servers = await withoutParents(holder.by)
  const evidence = holderText({ state: 'held', by: servers })
  return [{ id: servers.length > 1 ? 'DIRECTORY_SHARED' : 'DIRECTORY_HELD', evidence }]
}

/** `npx chroma run` is a shell or two above the server; only the lowest counts. */
async function withoutParents(processes: readonly HoldingProcess[]): Promise<readonly HoldingProcess[]> {
  const own = processes.filter(({ command }) => !command.includes('chroma-ops'))
  const ancestors = new Set<number>()
  for (const { pid } of own)
    for (let parent = await parentOf(pid); parent > 1; parent = await parentOf(parent)) ancestors.add(parent)
  const lowest = own.filter(({ pid }) => !ancestors.has(pid))
  return lowest.length === 0 ? processes.slice(0, 1) : lowest
}

async function parentOf(pid: number): Promise<number> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return Number(/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? 0)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return 0
    throw error
  }
}

function diskObservations(directory: string, disk: FileSystem, databaseBytes: number): Observation[] {
  const { type, shared, freeBytes, totalBytes } = disk
  const evidence = `${bytesText(freeBytes)} of ${bytesText(totalBytes)} are free at ${directory}`
  const isBelow = (limit: typeof FULL) => freeBytes < Math.min(limit.bytes, totalBytes * limit.share)
  const observations: Observation[] = []
  if (shared) observations.push({ id: 'NETWORK_FILE_SYSTEM', evidence: `its file system is ${type}` })
  if (isBelow(FULL)) observations.push({ id: 'DISK_FULL', evidence })
  else if (isBelow(NEARLY_FULL) || freeBytes < databaseBytes)
    observations.push({ id: 'DISK_NEARLY_FULL', evidence })
  return observations
}

async function tempObservations(folder: string, databaseBytes: number): Promise<Observation[]> {
  try {
    const { freeBytes } = await fileSystemOf(folder)
    if (freeBytes >= databaseBytes) return []
    const evidence = `${bytesText(freeBytes)} are free at ${folder}, and the database has ${bytesText(databaseBytes)}`
    return [{ id: 'TEMP_TOO_SMALL', evidence }]
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error
    return [{ id: 'TEMP_TOO_SMALL', evidence: `there is no folder ${folder}` }]
  }
}
