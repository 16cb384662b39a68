import type { Progress } from '../core/progress.js'
import type { Style } from './style.js'

/** Where text goes: a stream of the process, or one of a test. */
export type Sink = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }

/** Turns a result into the text that a person reads; without the last line break. */
export type Describe<T> = (result: T, style: Style) => string

/**
 * What a command tells: its result on stdout, all else on stderr. With `--json` stdout holds exactly one
 * document, the result or the error.
 */
export interface Output extends Progress {
  /** Whether stdout is one JSON document. */
  readonly json: boolean
  /** Whoever read stdout has closed it, as `| head` does. */
  readonly readerLeft: boolean
  /** The command's result. */
  result<T extends object>(result: T, describe: Describe<T>): void
  /** For the person who waits; silent with `--quiet`. A structured log has the fields beside the message. */
  note(message: string, fields?: Readonly<Record<string, unknown>>): void
  /** Only with `--verbose`. */
  detail(message: string): void
  /** The command failed; the exit code is the caller's business. */
  failure(error: unknown): void
  /** From now on this text is masked wherever it would appear. */
  hide(secret: string): void
  /** Everything is written; rejects if stdout could not take it. A reader that left early is no error. */
  end(): Promise<void>
}

/** What the user wants to see of messages and progress. */
export interface Reporting {
  /** `nagios`: text, with failures as a monitoring plugin tells them. */
  readonly format: 'text' | 'json' | 'nagios'
  readonly quiet: boolean
  readonly verbose: boolean
  /** Colours, where the stream is a terminal. */
  readonly color: boolean
  readonly progress: boolean
  /** A terminal that only prints lines (TERM=dumb). */
  readonly dumb?: boolean
  readonly logFormat: 'text' | 'json'
}

export interface Streams {
  readonly stdout: Sink
  readonly stderr: Sink
}
