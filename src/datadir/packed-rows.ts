import type { MetadataScalar } from '../core/metadata.js'
import type { NameCache } from './name-cache.js'

const SPACE = 0x20
const ZERO = 0x30
const MINUS = 0x2d

/** Reads values that a query has put together: numbers end with a space, texts have a length before them. */
export class PackedRows {
  readonly bytes: Uint8Array
  at = 0
  readonly #buffer: Buffer

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get ended(): boolean {
    return this.at >= this.bytes.length
  }

  /** A whole number that a double can hold. */
  number(): number {
    let value = 0
    const negative = this.bytes[this.at] === MINUS
    if (negative) this.at++
    for (;;) {
      const code = this.bytes[this.at++] ?? SPACE
      if (code === SPACE) return negative ? -value : value
      value = value * 10 + code - ZERO
    }
  }

  /** Text of so many bytes. */
  text(length: number): string {
    const start = this.at
    this.at += length
    return this.#buffer.toString('utf8', start, this.at)
  }

  /** Text that comes again and again. */
  name(length: number, names: NameCache): string {
    const start = this.at
    this.at += length
    return names.get(this.#buffer, start, this.at)
  }

  /** A value behind its type; undefined for one that is not there: NULL, or a double that is not finite. */
  value(): MetadataScalar | undefined {
    const type = this.bytes[this.at++] ?? 0
    switch (type) {
      case 0x73: // s
        return this.text(this.number())
      case 0x69: // i
        return BigInt(this.#word())
      case 0x66: {
        const double = Number(this.#word())
        return Number.isFinite(double) ? double : undefined
      }
      case 0x62: // b
        return this.#word() !== '0'
      default:
        return undefined
    }
  }

  #word(): string {
    const start = this.at
    while (this.at < this.bytes.length && this.bytes[this.at] !== SPACE) this.at++
    return this.#buffer.toString('latin1', start, this.at++)
  }
}
