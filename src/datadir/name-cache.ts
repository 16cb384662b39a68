const SLOTS = 1024
/** Longer names are decoded each time. */
const MAX_BYTES = 64

interface Known {
  readonly bytes: Uint8Array
  readonly name: string
}

/** Texts of which there are few, such as the keys of metadata: each is decoded once. */
export class NameCache {
  readonly #known: (Known | undefined)[] = new Array<undefined>(SLOTS).fill(undefined)

  /** The UTF-8 text in a piece of `buffer`. */
  get(buffer: Buffer, from: number, to: number): string {
    const length = to - from
    if (length > MAX_BYTES) return buffer.toString('utf8', from, to)
    let hash = length
    for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + (buffer[at] ?? 0)) | 0
    const slot = hash & (SLOTS - 1)
    const known = this.#known[slot]
    if (known?.bytes.length === length && isSame(known.bytes, buffer, from)) return known.name
    const name = buffer.toString('utf8', from, to)
    this.#known[slot] = { bytes: Uint8Array.from(buffer.subarray(from, to)), name }
    return name
  }
}

function isSame(bytes: Uint8Array, buffer: Buffer, from: number): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== buffer[from + at]) return false
  return true
}
