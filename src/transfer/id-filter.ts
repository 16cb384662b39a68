const { imul } = Math

/**
 * Remembers ids in a fixed amount of memory. An id that {@link has} denies was never added; an id that it
 * affirms was, but for a rare mistake.
 */
export class IdFilter {
  readonly #bits: Uint32Array
  readonly #mask: number
  readonly #seed: number

  /** `expected`: about how many ids will be added. Between 128 KiB and 32 MiB. */
  constructor(expected: number, seed = 0) {
    const wanted = Math.min(Math.max(expected * BITS_PER_ID, MIN_BITS), MAX_BITS)
    const bits = 2 ** Math.ceil(Math.log2(wanted))
    this.#bits = new Uint32Array(bits / 32)
    this.#mask = bits - 1
    this.#seed = seed
  }

  add(id: string): void {
    const [first, step] = this.#hash(id)
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = (first + imul(probe, step)) & this.#mask
      const word = bit >>> 5
      this.#bits[word] = (this.#bits[word] ?? 0) | (1 << (bit & 31))
    }
  }

  has(id: string): boolean {
    const [first, step] = this.#hash(id)
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = (first + imul(probe, step)) & this.#mask
      if (((this.#bits[bit >>> 5] ?? 0) & (1 << (bit & 31))) === 0) return false
    }
    return true
  }

  /** Two independent hashes of 32 bits (murmur3's mixing over UTF-16 units). */
  #hash(id: string): readonly [number, number] {
    let a = 0x9747b28c ^ this.#seed
    let b = 0x3c6ef372 ^ this.#seed
    for (let at = 0; at < id.length; at++) {
      const unit = id.charCodeAt(at)
      a = imul(a ^ unit, 0x85ebca6b)
      a ^= a >>> 13
      b = imul(b ^ unit, 0xc2b2ae35)
      b ^= b >>> 16
    }
    return [mix(a), mix(b) | 1]
  }
}

const BITS_PER_ID = 16
const PROBES = 7
const MIN_BITS = 2 ** 20
const MAX_BITS = 2 ** 28

function mix(hash: number): number {
  let h = imul(hash ^ (hash >>> 16), 0x85ebca6b)
  h = imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
