import { spawnSync } from 'node:child_process'

import { isErrno } from '../../src/core/errors.js'

const LIMIT_MS = 50_000

export interface RunNowOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly input?: string | Buffer
}

export interface RunNow {
  /** Null when a signal ended it, or when there is no such program. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  /** Stdout as it came. */
  readonly bytes: Buffer
}

/**
 * Runs a program while nothing else of this process goes on. No limit of a test can end that: it has its own, after
 * which the program is killed and this throws.
 */
export function runNow(command: string, args: readonly string[], options: RunNowOptions = {}): RunNow {
  const limits = { timeout: LIMIT_MS, killSignal: 'SIGKILL', maxBuffer: 2 ** 28 } as const
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, { ...options, ...limits })
  if (isErrno(error, 'ENOENT')) return { status: null, stdout: '', stderr: '', bytes: Buffer.alloc(0) }
  if (error !== undefined) throw error
  if (signal === limits.killSignal) throw new Error(`${[command, ...args].join(' ')} was killed`)
  return { status, stdout: stdout.toString(), stderr: stderr.toString(), bytes: stdout }
}

/** The same; returns what it wrote to stdout, and throws unless it ended well. */
export function outputOf(command: string, args: readonly string[], options: RunNowOptions = {}): string {
  const { status, stdout, stderr } = runNow(command, args, options)
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${status}: ${stderr}`)
  return stdout
}
