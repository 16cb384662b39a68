import type { Buffer } from 'node:buffer'

const SLOTS = 512
/** Longer keys are rare and not worth it. */
const LONGEST = 64

/** Metadata keys repeat in every record: each is made a string once, not once for each record. */
export class KeyCache {
  readonly #slots: (string | undefined)[] = new Array<string | undefined>(SLOTS).fill(undefined)

  /** The ASCII text in `bytes[from, to)`. */
  get(bytes: Buffer, from: number, to: number): string {
    if (to - from > LONGEST) return bytes.toString('latin1', from, to)
    let hash = to - from
    for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + (bytes[at] ?? 0)) | 0
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1)
    const known = this.#slots[slot]
    if (known !== undefined && isSame(known, bytes, from, to)) return known
    const key = bytes.toString('latin1', from, to)
    this.#slots[slot] = key
    return key
  }
}

function isSame(text: string, bytes: Uint8Array, from: number, to: number): boolean {
  if (text.length !== to - from) return false
  for (let index = 0; index < text.length; index++)
    if (text.charCodeAt(index) !== bytes[from + index]) return false
  return true
}
