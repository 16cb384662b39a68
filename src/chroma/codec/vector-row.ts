import { float32Of } from './float32-text.js'
import { endOfNumber } from './json-number.js'

/** There is no number where one is expected. */
export const NO_NUMBER = -1

/** More bytes than the longest number that is read here without checking for the end. */
const MARGIN = 40

/** A double holds every integer of so many digits exactly. */
const EXACT_DIGITS = 15

/** Exact as doubles. */
const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))

const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const CLOSE = 0x5d

/**
 * Reads `dimension` numbers and the closing bracket of an array into `out[from…]`, each as the nearest
 * float32.
 *
 * @param view the same bytes
 * @param at the position behind the opening bracket
 * @returns the position behind the closing bracket, or {@link NO_NUMBER}
 *
 * A backup spends most of its time here. Nearly every number has at most 15 digits and no exponent: its
 * digits are read four at a time without a branch for each, and scaled by one division that rounds
 * correctly (Clinger). Rounding the double once more, to float32, is wrong only when it lies exactly between
 * two of them; then, and for all other numbers, {@link float32Of} reads the text.
 */
export function readVectorRow(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  out: Float32Array,
  from: number,
  dimension: number,
): number {
  const safe = bytes.length - MARGIN
  const last = from + dimension - 1
  for (let index = from; index <= last; index++) {
    const start = at
    const stop = index === last ? CLOSE : COMMA
    if (at < safe) {
      let byte = bytes[at] ?? 0
      // Bit 4 is set in digits and not in a minus; no branch, because signs cannot be predicted.
      const negative = ((byte >>> 4) & 1) ^ 1
      let strange = (byte ^ MINUS) & -negative
      at += negative
      const first = at
      let mantissa = (bytes[at] ?? 0) - ZERO
      if (mantissa < 0 || mantissa > 9) strange = 1
      byte = bytes[++at] ?? 0
      if (byte !== POINT && mantissa !== 0) {
        let digit = byte - ZERO
        while (digit >= 0 && digit <= 9 && at - first < EXACT_DIGITS) {
          mantissa = mantissa * 10 + digit
          byte = bytes[++at] ?? 0
          digit = byte - ZERO
        }
      }
      if (byte === POINT) {
        const point = ++at
        let four = view.getUint32(at, true)
        // The sign bit of each byte that is not a digit; right for the lowest such byte.
        let others = ((four - 0x30303030) | (four + 0x46464646)) & 0x80808080
        for (let round = 0; others === 0 && round < 3; round++) {
          four -= 0x30303030
          four = (Math.imul(four, 10) + (four >>> 8)) & 0x00ff00ff
          mantissa = mantissa * 10000 + (four & 0xff) * 100 + (four >>> 16)
          at += 4
          four = view.getUint32(at, true)
          others = ((four - 0x30303030) | (four + 0x46464646)) & 0x80808080
        }
        // The last 0 to 3 digits, moved to the end of a group of four.
        const bits = 24 - Math.clz32(others & -others)
        const digits = bits >>> 3
        let group = ((four - 0x30303030) << (24 - bits)) << 8
        group = (Math.imul(group, 10) + (group >>> 8)) & 0x00ff00ff
        at += digits
        const decimals = at - point
        mantissa = mantissa * (POWERS_OF_TEN[digits] ?? 1) + (group & 0xff) * 100 + (group >>> 16)
        const value = (mantissa / (POWERS_OF_TEN[decimals] ?? 1)) * (1 - 2 * negative)
        const single = Math.fround(value)
        const rest = value - single
        const other = single + (rest + rest)
        if (
          strange === 0 &&
          others !== 0 &&
          decimals > 0 &&
          at - first <= EXACT_DIGITS + 1 &&
          (rest === 0 || Math.fround(other) !== other) &&
          ((four >>> bits) & 0xff) === stop
        ) {
          out[index] = single
          at++
          continue
        }
      }
    }
    at = readSlowly(bytes, start, out, index, stop)
    if (at < 0) return NO_NUMBER
  }
  return at
}

/** Any JSON number, with white space around it, and what must follow it. */
function readSlowly(bytes: Uint8Array, at: number, out: Float32Array, index: number, stop: number): number {
  const start = skipSpace(bytes, at)
  const end = endOfNumber(bytes, start)
  if (end === start) return NO_NUMBER
  const value = float32Of(String.fromCharCode(...bytes.subarray(start, end)))
  const next = skipSpace(bytes, end)
  if (!Number.isFinite(value) || bytes[next] !== stop) return NO_NUMBER
  out[index] = value
  return next + 1
}

function skipSpace(bytes: Uint8Array, at: number): number {
  for (;;) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at
    at++
  }
}
