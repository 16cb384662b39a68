import { open, readFile, rm, stat, utimes } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { identifyProcess, stateOfProcess, type ProcessIdentity } from '../core/process-identity.js'

/** Another schedule runs with the same state. */
export class ScheduleLockedError extends OpsError {
  override readonly code = 'SCHEDULE_RUNNING'
  override readonly exitCode = ExitCode.locked
}

const HEARTBEAT_MS = 20_000
/** A schedule in a container that cannot be seen is taken for dead when it was silent for so long. */
const SILENT_MS = 90_000

/** Runs `work` while no other schedule uses the folder. Rejects with a {@link ScheduleLockedError} (11). */
export async function withStateLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const file = path.join(folder, 'schedule.lock')
  await take(file)
  const heart = setInterval(() => {
    const now = new Date()
    // A lock that somebody has removed by hand is not worth stopping for.
    utimes(file, now, now).catch(() => {})
  }, HEARTBEAT_MS)
  heart.unref()
  try {
    return await work()
  } finally {
    clearInterval(heart)
    await rm(file, { force: true })
  }
}

async function take(file: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const handle = await open(file, 'wx', 0o600)
      try {
        await handle.writeFile(JSON.stringify(await identifyProcess(process.pid)))
      } finally {
        await handle.close()
      }
      return
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
    }
    const holder = await holderOf(file)
    if (holder !== null || attempt === 3)
      throw new ScheduleLockedError(
        `another schedule runs with this state (${holder ?? 'it has just begun'})`,
        {
          hint: `stop it, or give this one a --state-dir of its own; should it be dead, delete ${file}`,
        },
      )
    await rm(file, { force: true })
  }
}

/** Null: nobody, any more. */
async function holderOf(file: string): Promise<string | null> {
  try {
    const silentMs = Date.now() - (await stat(file)).mtimeMs
    const identity = identityIn(await readFile(file, 'utf8'))
    const state = identity === null ? 'unknown' : await stateOfProcess(identity)
    if (state === 'dead' || (state === 'unknown' && silentMs > SILENT_MS)) return null
    return identity === null ? 'somebody' : `process ${identity.pid} on ${identity.host}`
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}

function identityIn(text: string): ProcessIdentity | null {
  const fields = new Map<string, unknown>(entriesOf(text))
  const pid = fields.get('pid')
  const host = fields.get('host')
  if (typeof pid !== 'number' || typeof host !== 'string') return null
  const textOf = (name: string) => {
    const value = fields.get(name)
    return typeof value === 'string' ? value : null
  }
  return {
    pid,
    host,
    startTime: textOf('startTime'),
    boot: textOf('boot'),
    pidNamespace: textOf('pidNamespace'),
  }
}

function entriesOf(text: string): [string, unknown][] {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? Object.entries(value) : []
  } catch {
    // It was killed before it had written the file.
    return []
  }
}
