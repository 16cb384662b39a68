import { GuardError } from '../core/errors.js'
import type { BackupHead, BackupScope } from './manifest.js'

export interface GuardedBackup {
  readonly scope: GuardedScope
  readonly collections: number
  readonly records: number
  /** The newest complete backup of the series; null when there is none, or when only a selection is backed up. */
  readonly previous: BackupHead | null
  readonly sourceUrl: string
  readonly allowEmpty: boolean
  readonly allowShrink: boolean
}

export type GuardedScope = Pick<BackupScope, 'tenants' | 'databases' | 'exclude'>

/**
 * Why a backup with this scope should not be made in its series: `latest` would then mean less than it did,
 * and a restore of it would leave out what nobody remembers to have left out.
 */
export function narrowingOf(scope: GuardedScope, previous: BackupHead | null): GuardError | null {
  if (previous === null) return null
  const before = previous.scope
  const lacking = [
    ...before.tenants.filter((tenant) => !scope.tenants.includes(tenant)).map((tenant) => `tenant ${tenant}`),
    ...databasesLacking(scope, before),
    ...scope.exclude.filter((pattern) => !before.exclude.includes(pattern)),
  ]
  if (lacking.length === 0) return null
  return new GuardError('SCOPE_SHRUNK', `this leaves out ${lacking.join(', ')}, which ${previous.id} holds`, {
    hint: 'give it a series of its own with --series; --allow-shrink makes it part of this one',
  })
}

function databasesLacking({ databases }: GuardedScope, before: BackupScope): readonly string[] {
  if (databases === null) return []
  if (before.databases === null) return [`all databases but ${databases.join(', ')}`]
  return before.databases.filter((name) => !databases.includes(name)).map((name) => `database ${name}`)
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
  const narrowing = backup.allowShrink ? null : narrowingOf(backup.scope, previous)
  if (narrowing !== null) return narrowing
  const before = previous?.counts.records ?? 0
  if (previous !== null && records * 2 < before && !backup.allowShrink) {
    const message = `${sourceUrl} has ${records} records, but ${previous.id} has ${before}`
    return new GuardError('SOURCE_SHRUNK', message, {
      hint: 'check that nothing was lost; --allow-shrink backs it up nevertheless',
    })
  }
  return null
}

/** Whoever asks for an incremental backup does not want to be surprised by a full one. */
export function refusalWithoutParent(type: string | undefined, parent: unknown): GuardError | null {
  if (type !== 'incremental' || parent !== null) return null
  return new GuardError('NO_PARENT', 'there is no complete backup of the series to build on', {
    hint: 'without --type, or with --type full, everything is stored',
  })
}
