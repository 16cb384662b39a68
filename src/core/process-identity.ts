import { execFile } from 'node:child_process'
import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { promisify } from 'node:util'

import { isErrno } from './errors.js'

/** Names one process for good: process ids are used again, also after a restart of the machine. */
export interface ProcessIdentity {
  readonly pid: number
  /** When it started, in the words of the system; null where the system does not say. */
  readonly startTime: string | null
  readonly host: string
  /** Changes with every start of the machine; null where unknown. */
  readonly boot: string | null
  /** Process ids mean something only within it; null where unknown. */
  readonly pidNamespace: string | null
}

export async function identifyProcess(pid: number): Promise<ProcessIdentity> {
  return { pid, startTime: await startTimeOf(pid), host: hostname(), ...(await surroundings()) }
}

/** `unknown`: it ran on another machine or in another container, whose processes cannot be seen. */
export async function stateOfProcess(process: ProcessIdentity): Promise<'alive' | 'dead' | 'unknown'> {
  if (process.host !== hostname()) return 'unknown'
  const here = await surroundings()
  if (process.boot !== here.boot) return 'dead'
  if (process.pidNamespace !== here.pidNamespace) return 'unknown'
  if (!isRunning(process.pid)) return 'dead'
  return (await startTimeOf(process.pid)) === process.startTime ? 'alive' : 'dead'
}

async function surroundings(): Promise<{ boot: string | null; pidNamespace: string | null }> {
  if (process.platform !== 'linux') return { boot: null, pidNamespace: null }
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
  return { boot: boot.trim(), pidNamespace: await readlink('/proc/self/ns/pid') }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: somebody else's process.
    return !isErrno(error, 'ESRCH')
  }
}

async function startTimeOf(pid: number): Promise<string | null> {
  if (process.platform === 'linux') return startTimeFromProc(pid)
  if (process.platform === 'win32') return null
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)])
    return stdout.trim()
  } catch {
    // `ps` fails when there is no such process.
    return null
  }
}

/** Clock ticks since the machine started. */
async function startTimeFromProc(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field, the name in brackets, may itself hold spaces and brackets.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie has ended; its parent has just not asked yet.
    return state === 'Z' ? null : (fields[18] ?? null)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return null
    throw error
  }
}
