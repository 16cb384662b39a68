import type { ObjectReference } from './object-reference.js'

export const SMALLEST_BUNDLE = 64 * 1024

/** An object of which the name is known once it is stored. */
export interface PendingObject {
  reference: ObjectReference | null
}

/** Collects small pieces; they are copied, for one may be a view that keeps a large buffer alive. */
export class Bundle {
  readonly object: PendingObject = { reference: null }
  length = 0
  readonly #most: number
  #buffer: Buffer

  constructor(most: number, buffer: Buffer) {
    this.#most = most
    this.#buffer = buffer
  }

  add(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) {
      this.#reserve(this.length + piece.length)
      this.#buffer.set(piece, this.length)
      this.length += piece.length
    }
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.length)
  }

  /** Grows, so that what stays small takes little. */
  #reserve(needed: number): void {
    if (needed <= this.#buffer.length) return
    const larger = Math.min(this.#most, Math.max(needed, this.#buffer.length * 4))
    const grown = Buffer.allocUnsafeSlow(larger)
    this.#buffer.copy(grown, 0, 0, this.length)
    this.#buffer = grown
  }
}
