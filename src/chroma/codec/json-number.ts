import type { Buffer } from 'node:buffer'

import { chromaInteger } from '../../core/metadata-json.js'

const PLUS = 0x2b
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39

/** The position behind the JSON number that starts at `at`; `at` itself when there is none. */
export function endOfNumber(bytes: Uint8Array, at: number): number {
  let end = endOfWhole(bytes, bytes[at] === MINUS ? at + 1 : at)
  if (end < 0) return at
  if (bytes[end] === POINT) {
    const digits = end + 1
    end = endOfDigits(bytes, digits)
    if (end === digits) return at
  }
  if (bytes[end] === 0x65 || bytes[end] === 0x45) {
    const sign = bytes[end + 1]
    const digits = end + (sign === PLUS || sign === MINUS ? 2 : 1)
    end = endOfDigits(bytes, digits)
    if (end === digits) return at
  }
  return end
}

/** The value of the JSON number in `bytes[from, to)`, as Chroma keeps it: beyond 64 bits it is a double. */
export function numberIn(bytes: Buffer, from: number, to: number): bigint | number {
  const short = to - from <= 15 ? shortInteger(bytes, from, to) : NaN
  if (!Number.isNaN(short)) return BigInt(short)
  const text = bytes.toString('latin1', from, to)
  // `-0` is the double, as in every JSON reader that knows integers.
  if (/[.eE]/.test(text) || text === '-0') return Number(text)
  return chromaInteger(BigInt(text))
}

/** An integer that a double holds, without making its text; NaN for everything else, and for `-0`. */
function shortInteger(bytes: Uint8Array, from: number, to: number): number {
  const negative = bytes[from] === MINUS
  let value = 0
  for (let at = negative ? from + 1 : from; at < to; at++) {
    const digit = (bytes[at] ?? 0) - ZERO
    if (digit < 0 || digit > 9) return NaN
    value = value * 10 + digit
  }
  if (!negative) return value
  return value === 0 ? NaN : -value
}

/** -1 when there is no digit, or a zero before other digits. */
function endOfWhole(bytes: Uint8Array, at: number): number {
  const end = endOfDigits(bytes, at)
  return end === at || (bytes[at] === ZERO && end > at + 1) ? -1 : end
}

function endOfDigits(bytes: Uint8Array, at: number): number {
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0
    if (byte < ZERO || byte > NINE) break
    at++
  }
  return at
}
