/** Where the vector of a key is. */
export interface VectorPlace {
  /** Number of the file. */
  readonly segment: number
  readonly offset: number
  readonly floats: number
}

const FIRST_SLOTS = 1024

/**
 * Places of vectors by the first 8 bytes of their keys: about 50 bytes each, however long keys and vectors
 * are. Another key that begins alike is told apart where the vector is.
 */
export class VectorIndex {
  #high = new Uint32Array(FIRST_SLOTS)
  #low = new Uint32Array(FIRST_SLOTS)
  /** 0: the slot is free. */
  #segments = new Uint32Array(FIRST_SLOTS)
  #floats = new Uint32Array(FIRST_SLOTS)
  #offsets = new Float64Array(FIRST_SLOTS)
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: Buffer): VectorPlace | undefined {
    const slot = this.#slotOf(key.readUInt32LE(0), key.readUInt32LE(4))
    const segment = this.#segments[slot] ?? 0
    if (segment === 0) return undefined
    return { segment: segment - 1, offset: this.#offsets[slot] ?? 0, floats: this.#floats[slot] ?? 0 }
  }

  /** The latest place holds. */
  set(key: Buffer, place: VectorPlace): void {
    if ((this.#size + 1) * 2 > this.#segments.length) this.#grow()
    this.#put(key.readUInt32LE(0), key.readUInt32LE(4), place)
  }

  #put(high: number, low: number, { segment, offset, floats }: VectorPlace): void {
    const slot = this.#slotOf(high, low)
    if (this.#segments[slot] === 0) this.#size++
    this.#high[slot] = high
    this.#low[slot] = low
    this.#segments[slot] = segment + 1
    this.#offsets[slot] = offset
    this.#floats[slot] = floats
  }

  /** The slot of the key, or the free one where it would go. */
  #slotOf(high: number, low: number): number {
    const mask = this.#segments.length - 1
    let slot = high & mask
    while (this.#segments[slot] !== 0 && (this.#high[slot] !== high || this.#low[slot] !== low))
      slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const old = { high: this.#high, low: this.#low, segments: this.#segments }
    const [floats, offsets] = [this.#floats, this.#offsets]
    const slots = old.segments.length * 2
    this.#high = new Uint32Array(slots)
    this.#low = new Uint32Array(slots)
    this.#segments = new Uint32Array(slots)
    this.#floats = new Uint32Array(slots)
    this.#offsets = new Float64Array(slots)
    this.#size = 0
    old.segments.forEach((segment, slot) => {
      if (segment === 0) return
      this.#put(old.high[slot] ?? 0, old.low[slot] ?? 0, {
        segment: segment - 1,
        offset: offsets[slot] ?? 0,
        floats: floats[slot] ?? 0,
      })
    })
  }
}
