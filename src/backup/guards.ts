import { GuardError } from '../core/errors.js'
import type { BackupHead } from './manifest.js'

export interface GuardedBackup {
  readonly collections: number
  readonly records: number
  /** The newest complete backup of the series; null when there is none, or when only a selection is backed up. */
  readonly previous: BackupHead | null
  readonly sourceUrl: string
  readonly allowEmpty: boolean
  readonly allowShrink: boolean
}

/** Why a backup should not be made: most often it is the wrong server, or an empty volume was mounted. */
export function refusalOf(backup: GuardedBackup): GuardError | null {
  const { collections, records, previous, sourceUrl } = backup
  if (records === 0 && !backup.allowEmpty) {
    const what = collections === 0 ? 'has no collections' : 'has no records'
    return new GuardError('SOURCE_EMPTY', `${sourceUrl} ${what}`, {
      hint: 'check that it is the right server and that its data is mounted; --allow-empty backs it up nevertheless',
    })
  }
  const before = previous?.counts.records ?? 0
  if (previous !== null && records * 2 < before && !backup.allowShrink) {
    const message = `${sourceUrl} has ${records} records, but ${previous.id} has ${before}`
    return new GuardError('SOURCE_SHRUNK', message, {
      hint: 'check that nothing was lost; --allow-shrink backs it up nevertheless',
    })
  }
  return null
}
