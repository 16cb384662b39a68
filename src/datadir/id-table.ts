import { randomBytes } from 'node:crypto'

/**
 * Numbers by id, in 16 bytes a slot instead of the id itself: a million ids take 32 MB. Ids are told apart by
 * 64 bits of a hash with a random start; two of a million ids are the same with a probability of 3 in 10^8.
 */
export class IdTable {
  size = 0
  #mask: number
  #hashes: Uint32Array
  #values: Float64Array
  readonly #seed = randomBytes(8).readUInt32LE(0)

  constructor(expected = 0) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, expected * 1.5)))
    this.#mask = slots - 1
    this.#hashes = new Uint32Array(slots * 2)
    this.#values = new Float64Array(slots).fill(NaN)
  }

  /** `value` must not be NaN. The id is the bytes `from` to `to`. */
  set(bytes: Uint8Array, from: number, to: number, value: number): void {
    if (this.size * 3 > this.#mask * 2) this.#grow()
    const slot = this.#slot(bytes, from, to)
    if (Number.isNaN(this.#values[slot])) this.size++
    this.#hashes[slot * 2] = high
    this.#hashes[slot * 2 + 1] = low
    this.#values[slot] = value
  }

  /** NaN when the id is not there. */
  get(bytes: Uint8Array, from: number, to: number): number {
    return this.#values[this.#slot(bytes, from, to)] ?? NaN
  }

  /** All values, in no order. */
  *values(): Generator<number> {
    for (const value of this.#values) if (!Number.isNaN(value)) yield value
  }

  #slot(bytes: Uint8Array, from: number, to: number): number {
    hash(bytes, from, to, this.#seed)
    return this.#find(high, low)
  }

  /** The slot of a hash, or the free one where it belongs. */
  #find(first: number, second: number): number {
    let slot = second & this.#mask
    while (!Number.isNaN(this.#values[slot] ?? NaN)) {
      if (this.#hashes[slot * 2] === first && this.#hashes[slot * 2 + 1] === second) return slot
      slot = (slot + 1) & this.#mask
    }
    return slot
  }

  #grow(): void {
    const [hashes, values] = [this.#hashes, this.#values]
    const slots = values.length * 2
    this.#mask = slots - 1
    this.#hashes = new Uint32Array(slots * 2)
    this.#values = new Float64Array(slots).fill(NaN)
    for (let slot = 0; slot < values.length; slot++) {
      const value = values[slot] ?? NaN
      if (Number.isNaN(value)) continue
      const first = hashes[slot * 2] ?? 0
      const second = hashes[slot * 2 + 1] ?? 0
      const free = this.#find(first, second)
      this.#hashes[free * 2] = first
      this.#hashes[free * 2 + 1] = second
      this.#values[free] = value
    }
  }
}

/** The last hash; two results without an allocation. */
let high = 0
let low = 0

/** Two runs of a multiply-and-xor over the bytes, each finished as MurmurHash3 does. */
function hash(bytes: Uint8Array, from: number, to: number, seed: number): void {
  let a = seed ^ 0x9e3779b9
  let b = Math.imul(seed, 0x85ebca6b) ^ (to - from)
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0
    a = Math.imul(a ^ byte, 0x01000193)
    b = Math.imul(b ^ byte, 0xcc9e2d51)
    b = (b << 13) | (b >>> 19)
  }
  high = finish(a)
  low = finish(b ^ Math.imul(a, 0x1b873593))
}

function finish(value: number): number {
  let mixed = value ^ (value >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
