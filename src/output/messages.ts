import type { ProgressEvent, Warning } from '../core/progress.js'

/** Everything on stderr. */
export interface Messages {
  note(message: string, fields?: Readonly<Record<string, unknown>>): void
  detail(message: string): void
  warn(warning: Warning): void
  failure(error: unknown): void
  update(event: ProgressEvent): void
  hide(secret: string): void
  /** Stops drawing and timers; messages can still be written. */
  close(): void
}

/** How progress is shown. */
export interface ProgressView {
  update(event: ProgressEvent): void
  /** A whole line, with its line break, without disturbing what is drawn. */
  print(line: string): void
  close(): void
}

/** Texts that must not appear in any output. */
export class HiddenTexts {
  readonly #texts = new Set<string>()

  add(secret: string): void {
    // A shorter text is no secret worth the name, and would blot out ordinary words.
    if (secret.length < 6) return
    this.#texts.add(secret)
    this.#texts.add(JSON.stringify(secret).slice(1, -1))
  }

  mask(text: string): string {
    return [...this.#texts].reduce((masked, secret) => masked.replaceAll(secret, '***'), text)
  }
}
