import { GuardError } from '../core/errors.js'
import type { CommandContext } from './context.js'
import { catalogue } from '../config/catalogue.js'
import { openOwnRepository } from './repository-command.js'

/**
 * Resolves when the newest complete backup that has all these collections was read back and is sound. Rejects
 * with a GuardError `NO_VERIFIED_BACKUP`.
 */
export async function requireBackupOf(
  context: CommandContext,
  collectionIds: readonly string[],
): Promise<void> {
  const { output: progress, settings, signal } = context
  if (settings.value(catalogue.repo) === null) throw refused('no repository is named')
  const repository = await openOwnRepository(context)
  const [{ listBackups }, { readCollections }, { verifyBackup }] = await Promise.all([
    import('../backup/list-backups.js'),
    import('../backup/contents.js'),
    import('../backup/verify-backup.js'),
  ])
  for (const { head } of await listBackups(repository, { signal })) {
    if (head?.status !== 'complete') continue
    const complete = (await readCollections(repository, head, signal)).filter(
      ({ status }) => status === 'complete',
    )
    const held = new Set(complete.map(({ id }) => id))
    if (!collectionIds.every((id) => held.has(id))) continue
    const { status } = await verifyBackup({ repository, head, progress, signal })
    if (status === 'ok') return
    throw refused(`${head.id}, the newest with all collections, is damaged`)
  }
  throw refused(`no complete backup in ${repository.store.displayUrl} has all collections of the directory`)
}

function refused(why: string): GuardError {
  return new GuardError(
    'NO_VERIFIED_BACKUP',
    `nothing is removed for good without a verified backup: ${why}`,
    {
      hint: 'back the directory up, and name the repository with --repo; or leave --no-quarantine out',
    },
  )
}
