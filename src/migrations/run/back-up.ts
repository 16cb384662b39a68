import { GuardError } from '../../core/errors.js'
import { isHousekeeping, ownLabel } from '../../core/own-collections.js'
import type { BackupNeed } from '../plan/backup-need.js'
import type { StateWriter } from '../state/state-writer.js'
import type { MigrationJob } from './migration-job.js'
import type { Session } from './session.js'
import { addEvent } from './step-context.js'

/** A verified backup of what a migration needs, in its row before the step that needs it begins. */
export async function backUp(of: {
  readonly session: Session
  readonly state: StateWriter
  readonly version: string
  readonly need: BackupNeed
}): Promise<void> {
  const { session, state, version, need } = of
  const { job, lock, signal } = session
  const { tenant, database, backup: port } = job
  if (port === null) throw backupNeeded(version)
  const collections = need.collections ?? (await ownNames(job, signal))
  if (collections.length === 0) return
  lock.phase(`${version}: backup of ${collections.join(', ')}`)
  job.events.backup?.({ version, collections })
  const names = collections.map((name) => ({ tenant, database, name }))
  const reference = await port.create(names, signal)
  const backup = { ...reference, collections, beforeStep: need.beforeStep }
  await state.updateRow(version, (row) => ({ ...row, backup }))
  await addEvent(of, 'backup', `${reference.id} in ${reference.repository}: ${collections.join(', ')}`)
}

/** The collections of the user's, without what chroma-ops keeps beside them. */
export async function ownNames(
  { api, tenant, database }: Pick<MigrationJob, 'api' | 'tenant' | 'database'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const there = await api.listCollections(tenant, database, signal)
  return there
    .filter((collection) => !isHousekeeping(collection) && ownLabel(collection) === null)
    .map(({ name }) => name)
    .sort()
}

export function backupNeeded(version: string): GuardError {
  return new GuardError(
    'BACKUP_NEEDED',
    `migration ${version} cannot be undone without a backup, and there is no repository for one`,
    { hint: 'name one with --repo, or answer for the way back yourself with --no-backup' },
  )
}
