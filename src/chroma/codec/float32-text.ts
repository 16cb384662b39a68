/**
 * The float32 nearest to a decimal number (ties to even), whatever its number of digits. Infinite when the
 * number is out of range.
 *
 * `Math.fround(Number(text))` rounds twice and can be wrong by one bit: when the double lies on the middle
 * between two float32, the text itself decides on which side it is.
 *
 * @param text a JSON number
 */
export function float32Of(text: string): number {
  const double = Number(text)
  const single = Math.fround(double)
  if (!liesBetween(double, single)) return single
  const side = compareExactly(text, double)
  if (side === 0) return single
  const other = 2 * double - single
  return side > 0 ? Math.max(single, other) : Math.min(single, other)
}

/** Whether `double` lies exactly in the middle between `single`, its own rounding, and another float32. */
function liesBetween(double: number, single: number): boolean {
  const rest = double - single
  const other = single + (rest + rest)
  return rest !== 0 && Math.fround(other) === other
}

/** The sign of `text` minus `double`, without rounding. */
function compareExactly(text: string, double: number): number {
  const [, sign = '', whole = '', fraction = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  let decimal = BigInt(sign + whole + fraction)
  const exponent = Number(power) - fraction.length
  const [mantissa, twos] = partsOf(double)
  let binary = mantissa
  if (exponent >= 0) decimal *= 10n ** BigInt(exponent)
  else binary *= 10n ** BigInt(-exponent)
  if (twos >= 0) binary <<= BigInt(twos)
  else decimal <<= BigInt(-twos)
  return decimal === binary ? 0 : decimal > binary ? 1 : -1
}

/** A finite double as an integer times a power of two. */
function partsOf(double: number): readonly [mantissa: bigint, exponent: number] {
  let mantissa = double
  let exponent = 0
  // Multiplying by two is exact: the doubles in question are far from the ends of the range.
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2
    exponent--
  }
  return [BigInt(mantissa), exponent]
}
