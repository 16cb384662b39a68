import type { ProgressEvent, Warning } from '../core/progress.js'
import { causesOf, failureOf, stackOf } from './failure.js'
import { harmless } from './format.js'
import { HiddenTexts, type Messages, type ProgressView } from './messages.js'
import type { Reporting } from './output.js'
import type { Style } from './style.js'

/** Messages for a person: plain lines. */
export class TextMessages implements Messages {
  readonly #view: ProgressView
  readonly #style: Style
  readonly #reporting: Reporting
  readonly #hidden = new HiddenTexts()

  constructor(view: ProgressView, style: Style, reporting: Reporting) {
    this.#view = view
    this.#style = style
    this.#reporting = reporting
  }

  note(message: string): void {
    if (!this.#reporting.quiet) this.#line(message)
  }

  detail(message: string): void {
    if (this.#reporting.verbose) this.#line(this.#style.dim(message))
  }

  warn({ message }: Warning): void {
    this.#line(`${this.#style.warning('warning:')} ${message}`)
  }

  failure(error: unknown): void {
    const { message, hint } = failureOf(error)
    const stack = stackOf(error)
    const label = stack === undefined ? 'error:' : 'internal error:'
    this.#line(`${this.#style.bad(label)} ${message}`)
    if (stack !== undefined) this.#line(this.#style.dim(stack))
    if (stack !== undefined || this.#reporting.verbose) {
      for (const cause of causesOf(error)) this.#line(this.#style.dim(`caused by: ${cause}`))
    }
    if (hint !== null) this.#line(`${this.#style.bold('hint:')} ${hint}`)
  }

  update(event: ProgressEvent): void {
    this.#view.update(event)
  }

  hide(secret: string): void {
    this.#hidden.add(secret)
  }

  close(): void {
    this.#view.close()
  }

  #line(text: string): void {
    this.#view.print(`${this.#hidden.mask(harmless(text))}\n`)
  }
}
