/** How far Chroma itself shifts doubles in metadata, and vectors of cosine collections. */
export const TOLERATED_ULP = 4

const scratch = new DataView(new ArrayBuffer(8))

/**
 * Whether two doubles are at most {@link TOLERATED_ULP} units in the last place apart. 0 and -0 are the same
 * (Chroma drops the sign), NaN equals NaN, an infinity equals only itself.
 */
export function closeDoubles(a: number, b: number): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true
  if (!Number.isFinite(a) || !Number.isFinite(b)) return false
  const distance = orderedDouble(a) - orderedDouble(b)
  return distance >= -TOLERATED_BIG && distance <= TOLERATED_BIG
}

const TOLERATED_BIG = BigInt(TOLERATED_ULP)

/** A number that grows by one from each double to the next; 0 for 0 and -0. */
function orderedDouble(value: number): bigint {
  scratch.setFloat64(0, value)
  const bits = scratch.getBigInt64(0)
  return bits < 0n ? -(bits & 0x7fffffffffffffffn) : bits
}

/**
 * The first position at which two vectors, given as the bits of their floats, are further apart than
 * {@link TOLERATED_ULP}; -1 when there is none.
 *
 * Chroma keeps a vector of a cosine collection as its direction and its length. Floats so small that they
 * are denormal in the direction lose their last bits there, whatever their own precision: for them the
 * same number of units counts at the precision of the stored direction.
 */
export function firstDistantFloat(expected: Float32Array, actual: Float32Array): number {
  const a = bitsOf(expected)
  const b = bitsOf(actual)
  for (let at = 0; at < a.length; at++) {
    const x = a[at] ?? 0
    const y = b[at] ?? 0
    if (x === y) continue
    const distance = orderedFloat(x) - orderedFloat(y)
    if (distance >= -TOLERATED_ULP && distance <= TOLERATED_ULP && isFiniteFloat(x) && isFiniteFloat(y))
      continue
    if (lostInDirection(expected, expected[at] ?? 0, actual[at] ?? 0)) continue
    return at
  }
  return -1
}

function bitsOf(floats: Float32Array): Int32Array {
  return new Int32Array(floats.buffer, floats.byteOffset, floats.length)
}

function orderedFloat(bits: number): number {
  return bits < 0 ? -(bits & 0x7fffffff) : bits
}

function isFiniteFloat(bits: number): boolean {
  return (bits & 0x7f800000) !== 0x7f800000
}

const SMALLEST_FLOAT = 2 ** -149

function lostInDirection(vector: Float32Array, x: number, y: number): boolean {
  let squares = 0
  for (const value of vector) squares += value * value
  return Math.abs(x - y) <= TOLERATED_ULP * SMALLEST_FLOAT * Math.sqrt(squares)
}
