import type { ProgressEvent, Warning } from '../core/progress.js'
import { harmless } from './format.js'
import { HiddenTexts, type Messages } from './messages.js'
import type { Describe, Output } from './output.js'
import type { ResultStream } from './result-stream.js'
import type { Style } from './style.js'

/** The result as text for a person. */
export class TextOutput implements Output {
  readonly json = false
  readonly #stdout: ResultStream
  readonly #messages: Messages
  readonly #style: Style
  readonly #hidden = new HiddenTexts()

  constructor(stdout: ResultStream, messages: Messages, style: Style) {
    this.#stdout = stdout
    this.#messages = messages
    this.#style = style
  }

  get readerLeft(): boolean {
    return this.#stdout.readerLeft
  }

  result<T extends object>(result: T, describe: Describe<T>): void {
    // Bars may be on the same terminal.
    this.#messages.close()
    this.#stdout.write(`${this.#hidden.mask(harmless(describe(result, this.#style)))}\n`)
  }

  note(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#messages.note(message, fields)
  }

  detail(message: string): void {
    this.#messages.detail(message)
  }

  warn(warning: Warning): void {
    this.#messages.warn(warning)
  }

  update(event: ProgressEvent): void {
    this.#messages.update(event)
  }

  failure(error: unknown): void {
    this.#messages.close()
    this.#messages.failure(error)
  }

  hide(secret: string): void {
    this.#hidden.add(secret)
    this.#messages.hide(secret)
  }

  async end(): Promise<void> {
    this.#messages.close()
    await this.#stdout.end()
  }
}
