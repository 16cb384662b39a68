import { failureOf } from './failure.js'
import { TextOutput } from './text-output.js'
import type { ResultStream } from './result-stream.js'
import type { Messages } from './messages.js'
import type { Style } from './style.js'

/** A monitoring plugin says on stdout that it could not find out. */
export class NagiosOutput extends TextOutput {
  readonly #stdout: ResultStream

  constructor(stdout: ResultStream, messages: Messages, style: Style) {
    super(stdout, messages, style)
    this.#stdout = stdout
  }

  override failure(error: unknown): void {
    super.failure(error)
    this.#stdout.write(`CHROMA UNKNOWN - ${failureOf(error).message.replaceAll(/[|\n]/g, ' ')}\n`)
  }
}
