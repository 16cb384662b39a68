import type { Environment } from '../config/settings.js'
import type { Sink } from '../output/output.js'

/** What the process gives to a run; a test gives its own. */
export interface Host {
  readonly environment: Environment
  readonly stdin: AsyncIterable<unknown>
  readonly stdout: Sink
  readonly stderr: Sink
  /** Asks at the terminal, without showing what is typed; null where there is no terminal. */
  readonly askSecret: ((question: string, signal: AbortSignal) => Promise<string>) | null
  readonly cwd: string
  readonly now: () => Date
  /** Milliseconds, never going back. */
  readonly monotonic: () => number
  /** Null where there are no user ids. */
  readonly uid: number | null
  /** Null where the user has no home, as in many containers. */
  readonly home: string | null
  readonly systemTemp: string
  readonly hostname: string
  /** Of chroma-ops. */
  readonly version: string
  /** Of this run, in logs and audit lines. */
  readonly runId: string
  readonly signals: SignalSource
  /** Ends the process at once; only for a second signal, and when a run does not stop in time. */
  readonly exit: (code: number) => void
}

export interface SignalSource {
  on(event: string, listener: (value: unknown) => void): unknown
  off(event: string, listener: (value: unknown) => void): unknown
}
