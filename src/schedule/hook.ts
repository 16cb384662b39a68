import { spawn } from 'node:child_process'

/** How a hook ended; null: as it should. */
export type HookFailure = string | null

export interface HookJob {
  /** The program and its arguments; no shell reads them. */
  readonly command: readonly string[]
  /** Goes to its standard input. */
  readonly document: object
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly timeoutMs: number
  /** Each line that it writes to its standard output or standard error. */
  readonly onLine: (line: string) => void
  readonly signal: AbortSignal
}

/** Lines of a hook that are told, and bytes of each. */
const MOST_LINES = 100
const MOST_CHARACTERS = 2000

/** Runs one command after a task. It is killed when it takes too long or the schedule stops. */
export async function runHook(job: HookJob): Promise<HookFailure> {
  const [program = '', ...args] = job.command
  const signal = AbortSignal.any([job.signal, AbortSignal.timeout(job.timeoutMs)])
  if (job.signal.aborted) return 'it was not started, because the schedule stops'
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env: { ...job.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
      signal,
      killSignal: 'SIGKILL',
    })
    const lines = lineTeller(job.onLine)
    child.stdout.on('data', lines)
    child.stderr.on('data', lines)
    // A hook that does not read what it is given is in its right.
    child.stdin.on('error', () => {})
    child.stdin.end(`${JSON.stringify(job.document)}\n`)
    child.once('error', (error) => {
      resolve(
        job.signal.aborted
          ? 'it was stopped with the schedule'
          : signal.aborted
            ? `it took longer than ${job.timeoutMs / 1000} s`
            : error.message,
      )
    })
    child.once('exit', (code, killedBy) => {
      // What it has started may hold its pipes open.
      child.stdout.destroy()
      child.stderr.destroy()
      if (code === 0) resolve(null)
      else resolve(killedBy === null ? `it ended with ${code ?? 'nothing'}` : `${killedBy} ended it`)
    })
  })
}

function lineTeller(tell: (line: string) => void): (piece: Buffer) => void {
  let rest = ''
  let told = 0
  return (piece) => {
    const parts = (rest + piece.toString()).slice(-64 * 1024).split('\n')
    rest = (parts.pop() ?? '').slice(0, MOST_CHARACTERS)
    for (const line of parts) if (told++ < MOST_LINES) tell(line.slice(0, MOST_CHARACTERS))
  }
}
