import { UsageError } from './errors.js'

/** Milliseconds of `500ms`, `5s`, `2m`, `1h30m`, `7d`, or `0`. */
export function durationOf(text: string): number {
  if (text === '0') return 0
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
  if (text === '' || parts.map(([whole]) => whole).join('') !== text) {
    const hint = /^\d+$/.test(text) ? `add a unit: ${text}s` : 'for example 500ms, 5s, 2m or 1h30m'
    throw new UsageError(`"${text}" is not a duration`, { hint })
  }
  return parts.reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (DURATION_UNITS.get(unit ?? '') ?? 0),
    0,
  )
}

const DURATION_UNITS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])
