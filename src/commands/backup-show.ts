import { Command } from 'commander'

import { act } from './command.js'
import type { Launcher } from './context.js'
import { readBackupMarks, shownWithMarks } from './marked-backups.js'
import { chooseBackup, openOwnRepository } from './repository-command.js'

interface Flags {
  readonly series?: string
}

export function backupShowCommand(launcher: Launcher): Command {
  const command = new Command('show')
    .description('show one backup and its collections')
    .argument('[backup]', 'an id or its beginning, latest, latest~1, or a time', 'latest')
    .option('--series <name>', 'choose among the backups of a series')
  return act(command, launcher, async (context, selector = 'latest') => {
    const repository = await openOwnRepository(context)
    const [{ readCollections }, { describeHead, shownCollection }] = await Promise.all([
      import('../backup/contents.js'),
      import('./describe-backup.js'),
    ])
    const { head, warnings } = await chooseBackup(context, repository, selector, command.opts<Flags>())
    const collections = (await readCollections(repository, head, context.signal)).map(shownCollection)
    const backup = shownWithMarks(head, await readBackupMarks(repository, context))
    const result = { repository: repository.store.displayUrl, backup, collections, warnings }
    context.output.result(result, (_, style) => describeHead(backup, collections, style))
  })
}
