/** Any decimal of so many digits, turned into a float32, has them again when it is written with one more. */
const FEWEST_DIGITS = 7
/** So many are always enough. */
const MOST_DIGITS = 9

/**
 * The shortest decimal that reads back as the same float32, always with a point or an exponent; what JSON cannot
 * express as text in quotes.
 */
export function floatText(float: number): string {
  if (!Number.isFinite(float)) return `"${float}"`
  if (Object.is(float, -0)) return '-0.0'
  let text = ''
  for (let digits = FEWEST_DIGITS; digits <= MOST_DIGITS; digits++) {
    const decimal = Number(float.toPrecision(digits))
    text = String(decimal)
    if (Math.fround(decimal) === float) break
  }
  return /[.e]/.test(text) ? text : `${text}.0`
}
