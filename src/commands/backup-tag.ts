import { Command } from 'commander'

import { UsageError } from '../core/errors.js'
import { withAudit } from './audit.js'
import { needed } from './backup-hold.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { pairsOf, repeated } from './parse.js'
import { chooseBackup, openOwnRepository } from './repository-command.js'

interface Flags {
  readonly series?: string
  readonly remove?: readonly string[]
}

export function backupTagCommand(launcher: Launcher): Command {
  const command = new Command('tag')
    .description('give a backup tags, or take them away; the backup itself stays as it is')
    .argument('<backup>', 'an id or its beginning, latest, latest~1, or a time')
    .argument('[tags...]', 'key=value')
    .option('--series <name>', 'choose among the backups of a series')
    .addOption(repeated('--remove <key>', 'take the tag away'))
  return act(command, launcher, async (context, selector, ...words) => {
    const flags = command.opts<Flags>()
    const given = pairsOf(
      'tag',
      words.flatMap((word) => word ?? []),
    )
    const { remove = [] } = flags
    if (given.size + remove.length === 0) throw new UsageError('no tag is named')
    context.changes('backup tag')
    const repository = await openOwnRepository(context)
    const { signal } = context
    const { head } = await chooseBackup(context, repository, needed(selector), flags)
    const { LATER_TAGS, putMark, readMark, withLaterTags } = await import('../backup/backup-marks.js')
    const before = (await readMark(repository, LATER_TAGS, head.id, signal))?.tags ?? {}
    const tags = {
      ...before,
      ...Object.fromEntries(given),
      ...Object.fromEntries(remove.map((key) => [key, null])),
    }
    const details = { backup: head.id, given: Object.fromEntries(given), removed: remove }
    const audited = { repository, command: 'backup tag', details }
    await withAudit(context, audited, () => putMark(repository, LATER_TAGS, head.id, { tags }, signal))
    const all = withLaterTags(head.tags, tags)
    const result = { repository: repository.store.displayUrl, backup: head.id, tags: all }
    context.output.result(result, ({ backup }) => {
      const list = Object.entries(all).map(([key, value]) => `${key}=${value}`)
      return `${backup}: ${list.length === 0 ? 'no tags' : list.join(', ')}`
    })
  })
}
