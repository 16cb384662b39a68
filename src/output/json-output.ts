import type { ProgressEvent, Warning } from '../core/progress.js'
import { failureOf, stackOf } from './failure.js'
import { jsonText } from './json-text.js'
import { HiddenTexts, type Messages } from './messages.js'
import type { Output } from './output.js'
import type { ResultStream } from './result-stream.js'

/** One JSON document on stdout, written at the end: the result, or the error if there is one. */
export class JsonOutput implements Output {
  readonly json = true
  readonly #stdout: ResultStream
  readonly #messages: Messages
  readonly #indent: number
  readonly #hidden = new HiddenTexts()
  #document: object | undefined

  constructor(stdout: ResultStream, messages: Messages, indent: number) {
    this.#stdout = stdout
    this.#messages = messages
    this.#indent = indent
  }

  get readerLeft(): boolean {
    return this.#stdout.readerLeft
  }

  result(result: object): void {
    this.#document = result
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
    this.#document = { error: failureOf(error) }
    // The document has everything but the stack, which belongs to whoever mends the bug.
    if (stackOf(error) !== undefined) this.#messages.failure(error)
  }

  hide(secret: string): void {
    this.#hidden.add(secret)
    this.#messages.hide(secret)
  }

  async end(): Promise<void> {
    this.#messages.close()
    if (this.#document !== undefined) {
      this.#stdout.write(`${this.#hidden.mask(jsonText(this.#document, this.#indent))}\n`)
      this.#document = undefined
    }
    await this.#stdout.end()
  }
}
