import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'

import { sleep } from '../core/abort.js'
import { isErrno, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { identifyProcess, stateOfProcess, type ProcessIdentity } from '../core/process-identity.js'
import { explained, makeOwnFolder } from './own-folder.js'

/** Another run of chroma-ops changes the directory. */
export class DirectoryLockedError extends OpsError {
  override readonly code = 'DIRECTORY_LOCKED'
  override readonly exitCode = ExitCode.locked
}

/** A lock was taken away, because its run slept for longer than a live one does. */
export class DirectoryLockLostError extends OpsError {
  override readonly code = 'DIRECTORY_LOCK_LOST'
  override readonly exitCode = ExitCode.locked
}

export interface LockJob {
  /** What the run does, for the message that another run gets: `cleanup`. */
  readonly purpose: string
  /** How long to wait for another run to end. Default: 0. */
  readonly waitMs?: number
  readonly signal?: AbortSignal | undefined
}

export interface HeldLock {
  /** Asked right before what cannot be undone; rejects with {@link DirectoryLockLostError}. */
  readonly stillMine: () => Promise<void>
}

/**
 * Runs `work` while no other run of chroma-ops does so on the directory. A lock is an empty file (a full disk
 * still takes one) in `.chroma-ops`, whose name tells the process; its time is the heartbeat. The lock of a
 * process that has ended is removed, and one of a process that cannot be seen after 5 minutes without a
 * heartbeat. Rejects with {@link DirectoryLockedError} (11).
 */
export async function withDirectoryLock<T>(
  directory: string,
  job: LockJob,
  work: (lock: HeldLock) => Promise<T>,
): Promise<T> {
  const folder = await makeOwnFolder(directory)
  const file = path.join(folder, nameOf(await identifyProcess(process.pid), job.purpose))
  await acquire(directory, folder, file, job)
  const heart = setInterval(() => {
    // A lock that is gone or out of reach is found by `stillMine`, before anything that matters.
    beat(file).catch(() => {})
  }, HEARTBEAT_MS)
  heart.unref()
  try {
    return await work({ stillMine: () => stillThere(directory, file) })
  } finally {
    clearInterval(heart)
    await rm(file, { force: true })
  }
}

const HEARTBEAT_MS = 20_000
const SILENT_MS = 300_000
const PREFIX = 'lock='

/** First announced, then looked around: of two that come at once, at least one sees the other. */
async function acquire(directory: string, folder: string, file: string, job: LockJob): Promise<void> {
  const deadline = performance.now() + (job.waitMs ?? 0)
  for (let attempt = 1; ; attempt++) {
    await announce(file)
    const other = await otherRun(folder, path.basename(file))
    if (other === null) return
    await rm(file, { force: true })
    // Two that came at once have both stepped back: once more, not at the same moment.
    if (performance.now() >= deadline && attempt >= ATTEMPTS) throw locked(directory, folder, other)
    await sleep(20 + Math.random() * 100, job.signal)
  }
}

const ATTEMPTS = 4

async function announce(file: string): Promise<void> {
  try {
    const handle = await open(file, 'wx', 0o600)
    await handle.close()
  } catch (error) {
    throw explained(error, `lock ${path.dirname(path.dirname(file))}`)
  }
}

interface OtherRun {
  readonly name: string
  readonly process: ProcessIdentity
  readonly purpose: string
  readonly seen: boolean
}

async function otherRun(folder: string, own: string): Promise<OtherRun | null> {
  for (const name of await readdir(folder)) {
    if (name === own || !name.startsWith(PREFIX)) continue
    const { process, purpose } = parseName(name)
    const state = await stateOfProcess(process)
    if (state === 'alive') return { name, process, purpose, seen: true }
    const silent = await silenceOf(path.join(folder, name), path.join(folder, own))
    if (silent === null) continue
    if (state === 'unknown' && silent < SILENT_MS) return { name, process, purpose, seen: false }
    await rm(path.join(folder, name), { force: true })
  }
  return null
}

/** Milliseconds between the last heartbeats of two locks, by the disk's own clock; null when one is gone. */
async function silenceOf(lock: string, own: string): Promise<number | null> {
  try {
    const [last, now] = [await stat(lock), await stat(own)]
    return now.mtimeMs - last.mtimeMs
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}

/** Cutting an empty file gives it a new time by the disk's own clock, which another machine's may differ from. */
async function beat(file: string): Promise<void> {
  const handle = await open(file, constants.O_WRONLY | constants.O_TRUNC)
  await handle.close()
}

async function stillThere(directory: string, file: string): Promise<void> {
  try {
    await stat(file)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
    throw new DirectoryLockLostError(`another run has taken over the lock on ${directory}`, {
      hint: 'run this again',
    })
  }
}

function locked(directory: string, folder: string, { name, process, purpose, seen }: OtherRun): Error {
  const who = `process ${process.pid} on ${process.host}`
  if (seen)
    return new DirectoryLockedError(`${directory} is locked by another run (${purpose}, ${who})`, {
      hint: 'wait until it has ended',
    })
  return new DirectoryLockedError(
    `${directory} is locked by another run (${purpose}, ${who}), which cannot be seen from here`,
    { hint: `if that process has ended, delete ${path.join(folder, name)}` },
  )
}

/** At most 255 bytes, the longest name that file systems take. */
function nameOf({ pid, startTime, boot, pidNamespace, host }: ProcessIdentity, purpose: string): string {
  const fields = [pid, startTime ?? '', boot ?? '', pidNamespace ?? '', host.slice(0, 64), purpose]
  const unique = randomUUID().slice(0, 8)
  return PREFIX + [...fields.map((field) => encodeURIComponent(field)), unique].join(',').slice(0, 240)
}

/** A name that cannot be read counts as a process of another machine: never ignored. */
function parseName(name: string): { readonly process: ProcessIdentity; readonly purpose: string } {
  const [pid = '', startTime = '', boot = '', pidNamespace = '', host = '', purpose = ''] = name
    .slice(PREFIX.length)
    .split(',')
    .map(decoded)
  return {
    process: {
      pid: Number.isSafeInteger(Number(pid)) ? Number(pid) : 0,
      startTime: orNull(startTime),
      boot: orNull(boot),
      pidNamespace: orNull(pidNamespace),
      host,
    },
    purpose: purpose === '' ? 'unknown' : purpose,
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return ''
    throw error
  }
}

function orNull(text: string): string | null {
  return text === '' ? null : text
}
