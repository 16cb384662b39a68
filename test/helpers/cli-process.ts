import { spawn } from 'node:child_process'

import { builtCli } from './built-cli.js'

/** A run of the command in a process of its own, to its end. */
export interface EndedProcess {
  /** Null when a signal ended it. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliProcess {
  readonly pid: number
  readonly ended: Promise<EndedProcess>
  kill(signal: NodeJS.Signals): void
  /** What it has written to stdout so far. */
  stdout(): string
}

export interface CliProcessOptions {
  /** The whole environment beside PATH; default: nothing more. */
  readonly environment?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** A program that starts the command, with its arguments: `['setpriv', '--reuid=1']`. */
  readonly wrapper?: readonly string[]
}

/** Starts the command in a process of its own, for tests that send it signals or change what it may do. */
export async function startCli(
  args: readonly string[],
  options: CliProcessOptions = {},
): Promise<CliProcess> {
  const { environment = {}, cwd, wrapper = [] } = options
  const [program = process.execPath, ...rest] = [...wrapper, process.execPath, await builtCli(), ...args]
  const child = spawn(program, rest, {
    env: { PATH: process.env['PATH'], ...environment },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const text = { stdout: '', stderr: '' }
  child.stdout.on('data', (piece: Buffer) => (text.stdout += piece.toString()))
  child.stderr.on('data', (piece: Buffer) => (text.stderr += piece.toString()))
  const ended = new Promise<EndedProcess>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal, ...text }))
  })
  if (child.pid === undefined) {
    await ended
    throw new Error('the process did not start')
  }
  return { pid: child.pid, ended, kill: (signal) => void child.kill(signal), stdout: () => text.stdout }
}
