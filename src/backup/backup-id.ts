import { randomInt } from 'node:crypto'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const SUFFIX_LENGTH = 4
const PATTERN = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-([a-z0-9][a-z0-9-]{0,62})-[0-9a-z]{4}$/

/** `20261120T020000Z-<series>-7f3k`; ids sort by the time at which the backup began. */
export function newBackupId(now: Date, series: string): string {
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const suffix = Array.from({ length: SUFFIX_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
  return `${time}-${series}-${suffix}`
}

/** What an id says about a backup, for those whose manifest cannot be read; null when it is not an id. */
export function parseBackupId(id: string): { readonly created: Date; readonly series: string } | null {
  const match = PATTERN.exec(id)
  if (match === null) return null
  const [, year, month, day, hour, minute, second, series = ''] = match
  return { created: new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`), series }
}
