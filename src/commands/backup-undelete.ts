import { Command } from 'commander'

import { withAudit } from './audit.js'
import { needed } from './backup-hold.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { openOwnRepository, shownHead } from './repository-command.js'

interface Flags {
  readonly singleWriter?: boolean
}

export function backupUndeleteCommand(launcher: Launcher): Command {
  const command = new Command('undelete')
    .description('put a removed backup back, as long as it is not purged (see: backup list --removed)')
    .argument('<backup>', 'an id or its beginning')
    .option('--single-writer', 'for a store without conditional writes: nothing prunes it now')
  return act(command, launcher, async (context, selector) => {
    const { singleWriter = false } = command.opts<Flags>()
    const backup = needed(selector)
    context.changes('backup undelete')
    const repository = await openOwnRepository(context)
    const { undeleteBackup } = await import('../backup/undelete-backup.js')
    const { actor, host, signal } = context
    const job = { repository, backup, actor, host: host.hostname, singleWriter, now: host.now, signal }
    const audited = { repository, command: 'backup undelete', details: { backup } }
    const head = await withAudit(
      context,
      audited,
      () => undeleteBackup(job),
      ({ id }) => ({ backup: id }),
    )
    const { completeCommand } = await import('./complete-commands.js')
    const holdCommand = completeCommand(`chroma-ops backup hold ${head.id}`, context.settings)
    const result = { repository: repository.store.displayUrl, backup: shownHead(head), holdCommand }
    context.output.result(result, () =>
      [`${head.id} is back; to keep the next prune from removing it again:`, `  ${holdCommand}`].join('\n'),
    )
  })
}
