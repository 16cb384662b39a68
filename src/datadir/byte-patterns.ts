/** Shorter patterns would be found everywhere. Bytes. */
export const SHORTEST_PATTERN = 4

/** What a pattern begins with decides about almost every position. Longer patterns have a longer beginning. */
const LONG_START = 8
const FILTER_BITS = 20
const FILTER_SHIFT = 32 - FILTER_BITS
const FIRST = 0x9e3779b1
const SECOND = 0x85ebca6b
const PRIME = 0x01000193

/** Patterns of one length that begin alike, by a hash of all their bytes: ids often differ at their ends only. */
interface Alike {
  readonly length: number
  readonly byHash: Map<number, number[]>
}

/**
 * Finds many byte strings at once. A filter over the first eight bytes decides about almost every position; where
 * it says yes, the bytes are hashed once for each length that patterns with this beginning have. So the time
 * hardly depends on how many patterns there are, and how many of them begin alike.
 */
export class BytePatterns {
  readonly longest: number
  readonly #patterns: readonly Buffer[]
  readonly #filter = new Uint8Array(1 << FILTER_BITS)
  readonly #byStart = new Map<number, Alike[]>()
  /** The same for patterns of less than eight bytes, by their first four. Null when there are none. */
  readonly #shortFilter: Uint8Array | null
  readonly #byShortStart = new Map<number, Alike[]>()

  /** Each has at least {@link SHORTEST_PATTERN} bytes. */
  constructor(patterns: readonly Buffer[]) {
    this.#patterns = patterns
    const isShort = ({ length }: Buffer) => length < LONG_START
    this.#shortFilter = patterns.some(isShort) ? new Uint8Array(1 << FILTER_BITS) : null
    let longest = 0
    for (const [index, pattern] of patterns.entries()) {
      if (pattern.length < SHORTEST_PATTERN) throw new Error('a pattern is too short')
      longest = Math.max(longest, pattern.length)
      const head = pattern.readInt32LE(0)
      const short = isShort(pattern)
      const start = short ? startOf(head, 0) : startOf(head, pattern.readInt32LE(4))
      const filter = short ? this.#shortFilter : this.#filter
      if (filter !== null) filter[start >>> FILTER_SHIFT] = 1
      enter(short ? this.#byShortStart : this.#byStart, start, pattern, index)
    }
    this.longest = longest
  }

  /** Calls `found` with the index of a pattern and its offset, for every occurrence that begins before `end`. */
  search(bytes: Buffer, end: number, found: (pattern: number, offset: number) => void): void {
    this.#searchLong(bytes, end, found)
    if (this.#shortFilter !== null) this.#searchShort(bytes, end, this.#shortFilter, found)
  }

  #searchLong(bytes: Buffer, end: number, found: (pattern: number, offset: number) => void): void {
    const filter = this.#filter
    const last = Math.min(end, bytes.length - LONG_START + 1)
    if (last <= 0) return
    // The bytes at the position and the four after them, moved on byte by byte.
    let low = shiftedIn(bytes, 0)
    let high = shiftedIn(bytes, 4)
    for (let at = 0; at < last; at++) {
      low = (low >>> 8) | ((bytes[at + 3] ?? 0) << 24)
      high = (high >>> 8) | ((bytes[at + 7] ?? 0) << 24)
      const start = startOf(low, high)
      if (filter[start >>> FILTER_SHIFT] !== 0) this.#compare(this.#byStart.get(start), bytes, at, found)
    }
  }

  #searchShort(
    bytes: Buffer,
    end: number,
    filter: Uint8Array,
    found: (pattern: number, offset: number) => void,
  ): void {
    const last = Math.min(end, bytes.length - SHORTEST_PATTERN + 1)
    if (last <= 0) return
    let low = shiftedIn(bytes, 0)
    for (let at = 0; at < last; at++) {
      low = (low >>> 8) | ((bytes[at + 3] ?? 0) << 24)
      const start = startOf(low, 0)
      if (filter[start >>> FILTER_SHIFT] !== 0) this.#compare(this.#byShortStart.get(start), bytes, at, found)
    }
  }

  #compare(
    candidates: readonly Alike[] | undefined,
    bytes: Buffer,
    at: number,
    found: (pattern: number, offset: number) => void,
  ): void {
    if (candidates === undefined) return
    for (const { length, byHash } of candidates) {
      if (at + length > bytes.length) continue
      for (const index of byHash.get(hashOf(bytes, at, at + length)) ?? [])
        if (this.#patterns[index]?.compare(bytes, at, at + length) === 0) found(index, at)
    }
  }
}

/** Three of four bytes: the loop moves them on before it looks. */
function shiftedIn(bytes: Buffer, at: number): number {
  return ((bytes[at] ?? 0) << 8) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 24)
}

function startOf(low: number, high: number): number {
  const mixed = Math.imul(low, FIRST) ^ Math.imul(high, SECOND)
  return Math.imul(mixed ^ (mixed >>> 15), FIRST)
}

function hashOf(bytes: Buffer, from: number, to: number): number {
  let hash = to - from
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), PRIME)
  return hash
}

function enter(byStart: Map<number, Alike[]>, start: number, pattern: Buffer, index: number): void {
  const candidates = byStart.get(start) ?? []
  byStart.set(start, candidates)
  let alike = candidates.find(({ length }) => length === pattern.length)
  if (alike === undefined) {
    alike = { length: pattern.length, byHash: new Map() }
    candidates.push(alike)
  }
  const hash = hashOf(pattern, 0, pattern.length)
  const others = alike.byHash.get(hash)
  if (others === undefined) alike.byHash.set(hash, [index])
  else others.push(index)
}
