import { Buffer } from 'node:buffer'

import { appendUnescaped } from './json-escape.js'

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** The bytes end before the string does. */
export const UNFINISHED = -1

/** Finds and decodes JSON strings in bytes: one pass over each, and one call to make plain ones a string. */
export class JsonStrings {
  #seen = 0
  #escaped = false
  #scratch = Buffer.alloc(0)

  /** Any byte of the string found last was beyond ASCII. */
  get beyondAscii(): boolean {
    return this.#seen >= 0x80
  }

  /** The position of the quotation mark that ends the string whose inside begins at `from`. */
  find(bytes: Uint8Array, from: number): number {
    let seen = 0
    this.#escaped = false
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0
      if (byte === QUOTE) {
        this.#seen = seen
        return at
      }
      if (byte === BACKSLASH) {
        this.#escaped = true
        at++
      } else seen |= byte < 0x20 ? 0x100 : byte
    }
    return UNFINISHED
  }

  /**
   * The string that {@link find} has found just now; undefined when it holds an invalid escape, a control
   * character or half a surrogate pair.
   */
  text(bytes: Buffer, from: number, to: number): string | undefined {
    if (this.#seen >= 0x100) return undefined
    if (!this.#escaped) return bytes.toString(this.#seen < 0x80 ? 'latin1' : 'utf8', from, to)
    if (this.#scratch.length < to - from) this.#scratch = Buffer.allocUnsafe(2 * (to - from))
    const written = appendUnescaped(bytes, from, to, this.#scratch)
    return written < 0 ? undefined : this.#scratch.toString('utf8', 0, written)
  }
}
