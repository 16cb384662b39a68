import { randomInt } from 'node:crypto'

/** In the order of ASCII, so that ids sort as what they encode. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const PATTERN = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-([a-z0-9][a-z0-9-]{0,62})-([0-9a-z]{2})[0-9a-z]{2}$/

/**
 * `20261120T020000Z-<series>-7f3k`: the second, the series, the millisecond in two digits to the base 32,
 * and two random ones. Ids of a series sort by the time at which the backup began.
 */
export function newBackupId(now: Date, series: string): string {
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const millisecond = now.getUTCMilliseconds()
  const suffix = [millisecond >> 5, millisecond & 31, randomInt(32), randomInt(32)]
  return `${time}-${series}-${suffix.map((digit) => ALPHABET[digit]).join('')}`
}

/** What an id says about a backup, for those whose manifest cannot be read; null when it is not an id. */
export function parseBackupId(id: string): { readonly created: Date; readonly series: string } | null {
  const match = PATTERN.exec(id)
  if (match === null) return null
  const [, year, month, day, hour, minute, second, series = '', millisecond = ''] = match
  const created = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  created.setUTCMilliseconds(millisecondOf(millisecond))
  return { created, series }
}

/** Anything that is not a millisecond counts as the last one of its second. */
function millisecondOf(digits: string): number {
  const [high, low] = [ALPHABET.indexOf(digits.charAt(0)), ALPHABET.indexOf(digits.charAt(1))]
  return high < 0 || low < 0 ? 999 : Math.min(999, high * 32 + low)
}
