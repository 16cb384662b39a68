/** Shorter patterns would be found everywhere. Bytes. */
export const SHORTEST_PATTERN = 4

/** What a pattern begins with decides about almost every position. Longer patterns have a longer beginning. */
const LONG_START = 8
const SECOND_END = 16
const FILTER_BITS = 20
const FILTER_SHIFT = 32 - FILTER_BITS
const FIRST = 0x9e3779b1
const SECOND = 0x85ebca6b
const PRIME = 0x01000193
/** Once, not for each byte: looking a global up takes long where the program runs in a context of `node:vm`. */
const { imul } = Math

/** Patterns of one length that begin alike, by a hash of all their bytes: ids often differ at their ends only. */
interface Alike {
  readonly length: number
  readonly byHash: Map<number, number[]>
}

/** Where patterns begin: for each value of a hash the number of an entry of `groups`, from 1; 0 when there is none. */
interface Starts {
  /** Whether a slot is taken, in so few bytes that they stay in the processor's cache. */
  readonly taken: Int32Array
  readonly slots: Int32Array
  readonly groups: Alike[][]
}

/**
 * Finds many byte strings at once. A filter over the first eight bytes decides about almost every position; where
 * it says yes, the bytes are hashed once for each length that patterns with this beginning have. So the time
 * hardly depends on how many patterns there are, and how many of them begin alike.
 */
export class BytePatterns {
  readonly longest: number
  readonly #patterns: readonly Buffer[]
  readonly #starts = noStarts()
  /** The same for patterns of less than eight bytes, by their first four. Null when there are none. */
  readonly #shortStarts: Starts | null
  /** A filter over the second eight bytes of patterns that have them: cheaper than a hash of all their bytes. */
  readonly #seconds = new Uint8Array(1 << FILTER_BITS)
  /** A filter over the hashes of whole patterns. */
  readonly #wholes = new Uint8Array(1 << FILTER_BITS)

  /** Each has at least {@link SHORTEST_PATTERN} bytes. */
  constructor(patterns: readonly Buffer[]) {
    this.#patterns = patterns
    const isShort = ({ length }: Buffer) => length < LONG_START
    this.#shortStarts = patterns.some(isShort) ? noStarts() : null
    let longest = 0
    for (const [index, pattern] of patterns.entries()) {
      if (pattern.length < SHORTEST_PATTERN) throw new Error('a pattern is too short')
      longest = Math.max(longest, pattern.length)
      const head = pattern.readInt32LE(0)
      const short = isShort(pattern) ? this.#shortStarts : null
      const slot = short === null ? slotOf(head, pattern.readInt32LE(4)) : slotOf(head, 0)
      const hash = hashOf(pattern, 0, pattern.length)
      enter(short ?? this.#starts, { slot, length: pattern.length, hash, index })
      this.#wholes[slotOf(hash, 0)] = 1
      if (pattern.length >= SECOND_END) this.#seconds[secondSlot(pattern, 0)] = 1
    }
    this.longest = longest
  }

  /** Calls `found` with the index of a pattern and its offset, for every occurrence that begins before `end`. */
  search(bytes: Buffer, end: number, found: (pattern: number, offset: number) => void): void {
    this.#searchLong(bytes, end, found)
    if (this.#shortStarts !== null) this.#searchShort(bytes, end, this.#shortStarts, found)
  }

  #searchLong(bytes: Buffer, end: number, found: (pattern: number, offset: number) => void): void {
    const { taken, slots, groups } = this.#starts
    const last = Math.min(end, bytes.length - LONG_START + 1)
    if (last <= 0) return
    // The bytes at the position and the four after them, moved on byte by byte.
    let low = shiftedIn(bytes, 0)
    let high = shiftedIn(bytes, 4)
    for (let at = 0; at < last; at++) {
      low = (low >>> 8) | ((bytes[at + 3] ?? 0) << 24)
      high = (high >>> 8) | ((bytes[at + 7] ?? 0) << 24)
      const slot = slotOf(low, high)
      if (((taken[slot >>> 5] ?? 0) & (1 << (slot & 31))) === 0) continue
      this.#compare(groups[(slots[slot] ?? 0) - 1] ?? [], bytes, at, found)
    }
  }

  #searchShort(
    bytes: Buffer,
    end: number,
    { taken, slots, groups }: Starts,
    found: (pattern: number, offset: number) => void,
  ): void {
    const last = Math.min(end, bytes.length - SHORTEST_PATTERN + 1)
    if (last <= 0) return
    let low = shiftedIn(bytes, 0)
    for (let at = 0; at < last; at++) {
      low = (low >>> 8) | ((bytes[at + 3] ?? 0) << 24)
      const slot = slotOf(low, 0)
      if (((taken[slot >>> 5] ?? 0) & (1 << (slot & 31))) === 0) continue
      this.#compare(groups[(slots[slot] ?? 0) - 1] ?? [], bytes, at, found)
    }
  }

  #compare(
    candidates: readonly Alike[],
    bytes: Buffer,
    at: number,
    found: (pattern: number, offset: number) => void,
  ): void {
    for (const { length, byHash } of candidates) {
      if (at + length > bytes.length) continue
      if (length >= SECOND_END && this.#seconds[secondSlot(bytes, at)] === 0) continue
      const hash = hashOf(bytes, at, at + length)
      if (this.#wholes[slotOf(hash, 0)] === 0) continue
      for (const index of byHash.get(hash) ?? [])
        if (this.#patterns[index]?.compare(bytes, at, at + length) === 0) found(index, at)
    }
  }
}

/** Three of four bytes: the loop moves them on before it looks. */
function shiftedIn(bytes: Buffer, at: number): number {
  return ((bytes[at] ?? 0) << 8) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 24)
}

function slotOf(low: number, high: number): number {
  const mixed = imul(low, FIRST) ^ imul(high, SECOND)
  return imul(mixed ^ (mixed >>> 15), FIRST) >>> FILTER_SHIFT
}

function secondSlot(bytes: Buffer, at: number): number {
  return slotOf(wordOf(bytes, at + 8), wordOf(bytes, at + 12))
}

function wordOf(bytes: Buffer, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
  return low | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)
}

function hashOf(bytes: Buffer, from: number, to: number): number {
  let hash = to - from
  for (let at = from; at < to; at++) hash = imul(hash ^ (bytes[at] ?? 0), PRIME)
  return hash
}

interface Entry {
  readonly slot: number
  readonly length: number
  readonly hash: number
  readonly index: number
}

function noStarts(): Starts {
  const slots = 1 << FILTER_BITS
  return { taken: new Int32Array(slots >>> 5), slots: new Int32Array(slots), groups: [] }
}

function enter({ taken, slots, groups }: Starts, { slot, length, hash, index }: Entry): void {
  if (slots[slot] === 0) slots[slot] = groups.push([])
  taken[slot >>> 5] = (taken[slot >>> 5] ?? 0) | (1 << (slot & 31))
  const group = groups[(slots[slot] ?? 0) - 1] ?? []
  let alike = group.find((each) => each.length === length)
  if (alike === undefined) {
    alike = { length, byHash: new Map() }
    group.push(alike)
  }
  const others = alike.byHash.get(hash)
  if (others === undefined) alike.byHash.set(hash, [index])
  else others.push(index)
}
