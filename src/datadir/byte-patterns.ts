/** Shorter patterns would be found everywhere. Bytes. */
export const SHORTEST_PATTERN = 4

const FILTER_BITS = 20
const FILTER_SHIFT = 32 - FILTER_BITS
const MULTIPLIER = 0x9e3779b1

/**
 * Finds many byte strings at once: a filter over the first four bytes of each decides about almost every
 * position, and only where it says yes are patterns compared.
 */
export class BytePatterns {
  readonly longest: number
  readonly #patterns: readonly Buffer[]
  readonly #filter = new Uint8Array(1 << FILTER_BITS)
  /** By the first four bytes: indexes of patterns. */
  readonly #byStart = new Map<number, number[]>()

  /** Each has at least {@link SHORTEST_PATTERN} bytes. */
  constructor(patterns: readonly Buffer[]) {
    this.#patterns = patterns
    let longest = 0
    for (const [index, pattern] of patterns.entries()) {
      if (pattern.length < SHORTEST_PATTERN) throw new Error('a pattern is too short')
      longest = Math.max(longest, pattern.length)
      const start = pattern.readInt32LE(0)
      this.#filter[hashOf(start)] = 1
      const others = this.#byStart.get(start)
      if (others === undefined) this.#byStart.set(start, [index])
      else others.push(index)
    }
    this.longest = longest
  }

  /** Calls `found` with the index of a pattern and its offset, for every occurrence that begins before `end`. */
  search(bytes: Buffer, end: number, found: (pattern: number, offset: number) => void): void {
    const filter = this.#filter
    const last = Math.min(end, bytes.length - SHORTEST_PATTERN + 1)
    if (last <= 0) return
    let window = (bytes[0] ?? 0) << 8
    window = ((bytes[1] ?? 0) << 16) | window
    window = ((bytes[2] ?? 0) << 24) | window
    for (let at = 0; at < last; at++) {
      window = (window >>> 8) | ((bytes[at + 3] ?? 0) << 24)
      if (filter[Math.imul(window, MULTIPLIER) >>> FILTER_SHIFT] === 0) continue
      for (const index of this.#byStart.get(window) ?? []) {
        const pattern = this.#patterns[index]
        if (pattern === undefined || at + pattern.length > bytes.length) continue
        if (pattern.compare(bytes, at, at + pattern.length) === 0) found(index, at)
      }
    }
  }
}

function hashOf(start: number): number {
  return Math.imul(start, MULTIPLIER) >>> FILTER_SHIFT
}
