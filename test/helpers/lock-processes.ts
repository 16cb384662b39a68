import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('lock-process.ts', import.meta.url))
const LOADER = fileURLToPath(new URL('run-typescript.js', import.meta.url))

export interface LockProcess {
  readonly name: string
  /** Lines of stdout so far. */
  lines(): readonly string[]
  /** Resolves when it has written this line, or one that begins with it and a space. */
  said(line: string): Promise<void>
  kill(signal: NodeJS.Signals): void
  /** Its exit code; null when a signal ended it. Rejects with what it wrote to stderr. */
  readonly ended: Promise<number | null>
}

export interface LockProcessJob {
  readonly url: string
  readonly what: 'once' | 'write'
  readonly ttlMs: number
  readonly name: string
  /** A program that starts it, with its arguments. */
  readonly wrapper?: readonly string[]
}

/** Starts `lock-process.ts` in a process of its own. */
export function startLockProcess({ url, what, ttlMs, name, wrapper = [] }: LockProcessJob): LockProcess {
  const own = [process.execPath, '--import', LOADER, PROGRAM, url, what, String(ttlMs), name]
  const [program = process.execPath, ...args] = [...wrapper, ...own]
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const text = { stdout: '', stderr: '' }
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const listener of listeners) listener()
  }
  child.stdout.on('data', (piece: Buffer) => {
    text.stdout += piece.toString()
    tell()
  })
  child.stderr.on('data', (piece: Buffer) => (text.stderr += piece.toString()))
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode) => {
      if (exitCode === null || exitCode === 0) resolve(exitCode)
      else reject(new Error(`${name} ended with ${exitCode}: ${text.stdout} ${text.stderr}`))
    })
  })
  // Awaited later, or not at all when the test fails before.
  ended.catch(() => {})
  const lines = () => text.stdout.split('\n').slice(0, -1)
  return {
    name,
    lines,
    said: async (wanted) => {
      const isSaid = () => lines().some((line) => line === wanted || line.startsWith(`${wanted} `))
      const told = new Promise<void>((resolve) => {
        listeners.add(() => {
          if (isSaid()) resolve()
        })
      })
      const gone = ended.then(() => {
        if (!isSaid()) throw new Error(`${name} ended without "${wanted}": ${lines().join(', ')}`)
      })
      tell()
      await Promise.race([told, gone])
    },
    kill: (signal) => void child.kill(signal),
    ended,
  }
}
