import { link, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { sleep } from '../core/abort.js'
import { GuardError, isErrno, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { identifyProcess, stateOfProcess, type ProcessIdentity } from '../core/process-identity.js'

/** Our own files inside a data directory; Chroma does not look at them. */
const OWN_FOLDER = '.chroma-ops'
/** Only in directories that were created here. A server migrates what it opens, and there is no way back. */
const MARKER = 'created-by-chroma-ops'
const LOCK_FILE = /^server-.+\.lock$/

/** Another embedded server works on the directory. */
export class ServerDirectoryBusyError extends OpsError {
  override readonly code = 'SERVER_DIRECTORY_BUSY'
  override readonly exitCode = ExitCode.locked
}

/**
 * Makes the directory (and its parents) if there is none, and makes sure that it belongs to chroma-ops:
 * empty, or made by an earlier call. Rejects with a {@link GuardError} `NOT_OUR_DIRECTORY` for any other.
 */
export async function claimDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  if (await isFile(path.join(directory, OWN_FOLDER, MARKER))) return
  const found = (await readdir(directory)).filter((name) => name !== OWN_FOLDER)
  const [first] = found
  if (first !== undefined)
    throw new GuardError(
      'NOT_OUR_DIRECTORY',
      `${directory} was not created by chroma-ops: it holds ${first}${found.length > 1 ? ` and ${found.length - 1} more` : ''}`,
      { hint: 'name a new or an empty directory: starting a server on data changes it for good' },
    )
  await mkdir(path.join(directory, OWN_FOLDER), { recursive: true })
  await writeFile(path.join(directory, OWN_FOLDER, MARKER), `${new Date().toISOString()}\n`)
}

/**
 * Locks a claimed directory in the name of a process that is about to open it. A lock whose process has
 * ended is removed; one that is alive is given `waitMs` to end. Rejects with {@link ServerDirectoryBusyError}.
 * Resolves to the function that unlocks.
 */
export async function lockDirectory(job: {
  readonly directory: string
  readonly pid: number
  readonly waitMs: number
  readonly signal?: AbortSignal | undefined
}): Promise<() => Promise<void>> {
  const folder = path.join(job.directory, OWN_FOLDER)
  const own = await identifyProcess(job.pid)
  const name = `server-${own.pid}-${own.startTime ?? 'x'}.lock`
  const unlock = () => rm(path.join(folder, name), { force: true })
  const deadline = Date.now() + job.waitMs
  for (;;) {
    // First announced, then looked around: of two that come at once, at least one sees the other.
    await announce(folder, name, own)
    const holder = await otherHolder(folder, name)
    if (holder === undefined) return unlock
    await unlock()
    if (Date.now() >= deadline) throw busy(job.directory, folder, holder)
    await sleep(50 + Math.random() * 100, job.signal)
  }
}

interface Holder {
  readonly file: string
  readonly process: ProcessIdentity
  readonly state: 'alive' | 'unknown'
}

/** The file appears whole or not at all. */
async function announce(folder: string, name: string, own: ProcessIdentity): Promise<void> {
  const temp = path.join(folder, `.${name}.tmp`)
  await writeFile(temp, JSON.stringify(own))
  await link(temp, path.join(folder, name))
  await rm(temp, { force: true })
}

async function otherHolder(folder: string, own: string): Promise<Holder | undefined> {
  for (const file of await readdir(folder)) {
    if (file === own || !LOCK_FILE.test(file)) continue
    const process = await readLock(path.join(folder, file))
    if (process === undefined) continue
    const state = await stateOfProcess(process)
    if (state !== 'dead') return { file, process, state }
    await rm(path.join(folder, file), { force: true })
  }
  return undefined
}

async function readLock(file: string): Promise<ProcessIdentity | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
  return parseIdentity(text)
}

function parseIdentity(text: string): ProcessIdentity {
  const fields = new Map<string, unknown>(Object.entries(parsed(text)))
  const pid = fields.get('pid')
  const string = (name: string): string | null => {
    const value = fields.get(name)
    return typeof value === 'string' ? value : null
  }
  return {
    // A lock that cannot be read counts as one of another machine: never ignored.
    pid: typeof pid === 'number' ? pid : 0,
    startTime: string('startTime'),
    host: string('host') ?? '',
    boot: string('boot'),
    pidNamespace: string('pidNamespace'),
  }
}

function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

function busy(directory: string, folder: string, { file, process, state }: Holder): ServerDirectoryBusyError {
  return state === 'alive'
    ? new ServerDirectoryBusyError(`a Chroma server (process ${process.pid}) is running on ${directory}`, {
        hint: 'stop it first, or name another directory',
      })
    : new ServerDirectoryBusyError(
        `${directory} is locked by process ${process.pid} on ${process.host || 'an unknown machine'}, which cannot be seen from here`,
        { hint: `if that process has ended, delete ${path.join(folder, file)}` },
      )
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}
