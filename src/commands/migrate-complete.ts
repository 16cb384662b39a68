import { Command } from 'commander'

import type { CompleteResult } from '../migrations/run/complete.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { addLockFlags, versionOf, type LockFlags } from './migrate-flags.js'
import { withMigrateHints } from './migrate-hints.js'
import { openMigrations } from './open-migrations.js'

interface Flags extends LockFlags {
  readonly early?: boolean
  readonly apply?: boolean
  readonly acceptDataLoss?: boolean
}

export function migrateCompleteCommand(launcher: Launcher): Command {
  const command = new Command('complete')
    .description('drop what migrations have replaced or dropped and kept for the way back; a plan at first')
    .argument('[version]', 'only of this migration')
    .option('--early', 'also what is to be kept longer')
    .option('--accept-data-loss', 'also what was written to since it was replaced')
    .option('--apply', 'drop it; there is no way back past these migrations then')
  return act(addLockFlags(command), launcher, async (context, word) => {
    const flags = command.opts<Flags>()
    const { early = false, apply = false, acceptDataLoss = false } = flags
    const version = word === undefined ? null : versionOf(word)
    if (apply) context.changes('migrate complete')
    await withMigrateHints(context, flags, async (hints) => {
      const job = await openMigrations(context, flags)
      const [{ complete }, { describeKept }] = await Promise.all([
        import('../migrations/run/complete.js'),
        import('./describe-migration-kept.js'),
      ])
      const work = () => complete({ ...job, version, early, apply, acceptDataLoss })
      const details = { target: job.api.transport.displayUrl, database: job.database, version, early }
      const audited = { repository: null, command: 'migrate complete', details }
      const dropped = ({ collections }: CompleteResult) => ({
        dropped: collections.filter(({ due }) => due).map(({ name }) => name),
      })
      const result = apply ? await withAudit(context, audited, work, dropped) : await work()
      const words = [
        ...['migrate complete', version, early ? '--early' : null],
        ...[acceptDataLoss ? '--accept-data-loss' : null, '--apply'],
      ]
      const next = hints.command(words.filter((each) => each !== null).join(' '))
      context.output.result(result, (shown, style) => describeKept(shown, style, next))
    })
  })
}
