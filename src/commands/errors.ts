import { AbortedError, GuardError, OpsError, UsageError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { suggestion } from '../core/suggest.js'

/** A word where no word, or another one, belongs. */
export class UnknownWordError extends UsageError {
  constructor(word: string, command: string, known: readonly string[]) {
    super(`unknown word "${word}" after ${command}`, {
      hint: known.length === 0 ? `${command} takes no more words` : suggestion(word, known),
    })
  }
}

/** SIGINT or SIGTERM stopped the run at a safe point. */
export class StoppedError extends AbortedError {
  override readonly code: string
  override readonly exitCode: ExitCode
  override readonly message: string

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super()
    this.code = signal === 'SIGINT' ? 'INTERRUPTED' : 'TERMINATED'
    this.exitCode = signal === 'SIGINT' ? ExitCode.interrupted : ExitCode.terminated
    this.message = `stopped by ${signal}`
  }
}

/** `--timeout` has passed. */
export class RunTimeoutError extends OpsError {
  override readonly code = 'TIMEOUT'
  override readonly exitCode = ExitCode.timeout
}

/** `--read-only` is on. */
export class ReadOnlyError extends GuardError {
  constructor(what: string, source: string) {
    super('READ_ONLY', `${what} is refused by --read-only`, { hint: `it is set by ${source}` })
  }
}
