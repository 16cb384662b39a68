import { hash } from 'node:crypto'

import { displayName, type CollectionName } from '../core/records.js'

/** Chroma Cloud takes no longer names, other servers 512: what is made up here fits everywhere. */
const MAX_DERIVED_LENGTH = 128

/** What decides whether two restores of one collection are the same work, so that one may continue the other. */
export interface RestoreIdentity {
  /** The id of the backup, or of whatever else the records come from. */
  readonly origin: string
  readonly source: CollectionName
  readonly target: CollectionName
}

/** Eight hexadecimal digits, the same in every run of the same restore. */
export function runOf({ origin, source, target }: RestoreIdentity): string {
  return hash('sha256', JSON.stringify([origin, displayName(source), displayName(target)]), 'hex').slice(0, 8)
}

/** The name under which a collection is built before it gets its own. */
export function shadowName(name: string, run: string): string {
  return nameWithSuffix(name, `.restore-${run}`)
}

/** The name under which a replaced collection stays; `attempt` counts from 1, for names that are taken. */
export function replacedName(name: string, run: string, attempt: number): string {
  const suffix = attempt === 1 ? `.replaced-${run}` : `.replaced-${run}-${attempt}`
  return nameWithSuffix(name, suffix)
}

/** Chroma's rules: letters, digits and `._-`, a letter or digit at both ends, no two points in a row. */
export function nameWithSuffix(name: string, suffix: string): string {
  const cut = name.slice(0, MAX_DERIVED_LENGTH - suffix.length).replace(/[._-]+$/, '')
  return cut + suffix
}

/** Why Chroma would refuse a name of a collection; null when it would not. */
export function nameProblem(name: string): string | null {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]$/.test(name))
    return 'a name has 3 to 512 characters of a-z A-Z 0-9 . _ - and begins and ends with a letter or digit'
  if (name.includes('..')) return 'a name must not have two points in a row'
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(name) ? 'a name must not be an IP address' : null
}
