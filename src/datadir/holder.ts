import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { fileSystemOf, realDirectory } from './file-system.js'

export interface HoldingProcess {
  readonly pid: number
  /** The start of its command line, 200 characters at most. */
  readonly command: string
}

/** Who works on a directory. `unknown`: nobody was seen, but not everybody can be seen. */
export type Holder =
  | { readonly state: 'free' }
  | { readonly state: 'held'; readonly by: readonly HoldingProcess[] }
  | { readonly state: 'unknown'; readonly why: string }

/** A process has files of the directory open. */
export class DirectoryHeldError extends OpsError {
  override readonly code = 'DIRECTORY_HELD'
  override readonly exitCode = ExitCode.locked
}

/** Nobody was seen to work on the directory, but somebody may. */
export class HolderUnknownError extends OpsError {
  override readonly code = 'HOLDER_UNKNOWN'
  override readonly exitCode = ExitCode.refused
}

/**
 * Looks for processes other than this one that have a file of a data directory open, or that are a Chroma
 * server started on it, which may not have opened one yet. Nothing in the directory is opened.
 */
export async function findHolder(directory: string): Promise<Holder> {
  const folder = await realDirectory(directory)
  const { type, shared } = await fileSystemOf(folder)
  if (process.platform !== 'linux')
    return {
      state: 'unknown',
      why: `on ${process.platform} the files that other processes have open cannot be seen`,
    }
  const target = await identify(folder)
  const by: HoldingProcess[] = []
  const hidden: number[] = []
  for (const pid of await otherProcesses()) {
    const use = await useOf(pid, target)
    if (use === 'uses') by.push({ pid, command: await commandOf(pid) })
    if (use === 'hidden') hidden.push(pid)
  }
  if (by.length > 0) return { state: 'held', by }
  if (shared) return { state: 'unknown', why: `other machines may use it: its file system is ${type}` }
  if ((await readlink('/proc/self/ns/pid')) !== INITIAL_NAMESPACE)
    return { state: 'unknown', why: 'processes outside of this container cannot be seen' }
  const [first] = hidden
  if (first !== undefined)
    return {
      state: 'unknown',
      why: `this user cannot look into ${hidden.length} processes of others, such as ${first} (${await commandOf(first)})`,
    }
  if (await processesAreHidden())
    return {
      state: 'unknown',
      why: 'processes of other users cannot be seen (/proc is mounted with hidepid)',
    }
  return { state: 'free' }
}

/**
 * Resolves when nobody works on the directory. Rejects with {@link DirectoryHeldError} (11) when somebody does,
 * and with {@link HolderUnknownError} (15) when that cannot be known, unless the operator has said that the
 * server is stopped.
 */
export async function requireNoHolder(
  directory: string,
  { serverStopped }: { readonly serverStopped: boolean },
): Promise<void> {
  const holder = await findHolder(directory)
  if (holder.state === 'held')
    throw new DirectoryHeldError(`${directory} is in use by ${holderText(holder)}`, {
      hint: 'stop the server first, then run this again',
    })
  if (holder.state === 'unknown' && !serverStopped)
    throw new HolderUnknownError(`whether a server runs on ${directory} is not known: ${holder.why}`, {
      hint: 'make sure that it is stopped, and say so with --server-stopped',
    })
}

/** `process 7 (chroma run) and 1 more`, `nobody`, or why it is not known. */
export function holderText(holder: Holder): string {
  if (holder.state === 'free') return 'nobody'
  if (holder.state === 'unknown') return `not known: ${holder.why}`
  const [first, ...others] = holder.by
  if (first === undefined) return 'nobody'
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  return `process ${first.pid} (${first.command})${more}`
}

/** The process id namespace in which every process of the machine is seen: PROC_PID_INIT_INO of Linux. */
const INITIAL_NAMESPACE = 'pid:[4026531836]'
/** What chroma-ops keeps in a directory is no sign of a server. */
const OWN_FOLDER = '.chroma-ops'

/** What tells a file of the directory: its device and number, whatever it is called in another mount namespace. */
interface Target {
  readonly folder: string
  readonly key: string
  readonly files: ReadonlySet<string>
  readonly devices: ReadonlySet<bigint>
}

async function identify(folder: string): Promise<Target> {
  const own = await stat(folder, { bigint: true })
  const files = new Set<string>()
  const devices = new Set([own.dev])
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name === OWN_FOLDER) continue
    const file = path.join(folder, entry.name)
    const inside = entry.isDirectory() ? (await readdir(file)).map((name) => path.join(file, name)) : [file]
    for (const each of inside) {
      const found = await statOf(each)
      if (!found?.isFile()) continue
      files.add(`${found.dev}:${found.ino}`)
      devices.add(found.dev)
    }
  }
  return { folder, key: `${own.dev}:${own.ino}`, files, devices }
}

async function otherProcesses(): Promise<readonly number[]> {
  const names = await readdir('/proc')
  return names.filter((name) => /^\d+$/.test(name) && name !== String(process.pid)).map(Number)
}

async function useOf(pid: number, target: Target): Promise<'uses' | 'hidden' | 'none'> {
  let names: readonly string[]
  try {
    names = await readdir(`/proc/${pid}/fd`)
  } catch (error) {
    if (isGone(error)) return 'none'
    if (!isErrno(error, 'EACCES', 'EPERM')) throw error
    // Threads of the kernel have no command line and no files.
    return (await argumentsOf(pid)).length === 0 ? 'none' : 'hidden'
  }
  for (const name of names) if (await isOurs(`/proc/${pid}/fd/${name}`, target)) return 'uses'
  return (await isServerOf(pid, target)) ? 'uses' : 'none'
}

async function isOurs(link: string, { folder, files, devices }: Target): Promise<boolean> {
  try {
    const text = await readlink(link)
    if (!text.startsWith('/')) return false
    const found = await statOf(link)
    if (!found?.isFile()) return false
    if (files.has(`${found.dev}:${found.ino}`)) return true
    // Deleted since it was opened, or made since we looked.
    const inside = text.startsWith(`${folder}/`) && !text.startsWith(`${folder}/${OWN_FOLDER}/`)
    return inside && devices.has(found.dev)
  } catch (error) {
    if (isGone(error) || isErrno(error, 'EACCES', 'EPERM')) return false
    throw error
  }
}

/** Whether a process is `chroma run` with this directory as an argument, or by default. */
async function isServerOf(pid: number, { key }: Target): Promise<boolean> {
  const words = await argumentsOf(pid)
  const runs = words.indexOf('run')
  if (runs < 1 || !words.slice(0, runs).some((word) => /chroma/i.test(word))) return false
  const paths = words.slice(runs + 1).map((word) => word.replace(/^--[\w-]+=/, ''))
  for (const each of [...paths, 'chroma']) {
    // Within the process's own root and working directory.
    const seen = path.isAbsolute(each) ? `/proc/${pid}/root${each}` : `/proc/${pid}/cwd/${each}`
    const found = await statOf(seen)
    if (found !== null && `${found.dev}:${found.ino}` === key) return true
  }
  return false
}

async function commandOf(pid: number): Promise<string> {
  const words = await argumentsOf(pid)
  return words.length === 0 ? 'unknown' : words.join(' ').slice(0, 200)
}

async function argumentsOf(pid: number): Promise<readonly string[]> {
  try {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8')
    return text.split('\0').filter((word) => word !== '')
  } catch (error) {
    if (isGone(error) || isErrno(error, 'EACCES', 'EPERM')) return []
    throw error
  }
}

/** Process 1 exists in every namespace; where it cannot be seen, nor can others. */
async function processesAreHidden(): Promise<boolean> {
  return (await statOf('/proc/1')) === null
}

async function statOf(file: string): Promise<Awaited<ReturnType<typeof bigStat>> | null> {
  try {
    return await bigStat(file)
  } catch (error) {
    if (isGone(error) || isErrno(error, 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG', 'EINVAL'))
      return null
    throw error
  }
}

function bigStat(file: string) {
  return stat(file, { bigint: true })
}

function isGone(error: unknown): boolean {
  return isErrno(error, 'ENOENT', 'ESRCH')
}
