import { Command } from 'commander'

import { instant } from '../output/format.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { placeText } from './describe-migration-plan.js'
import { addMigrateFlags, versionOf, type MigrateFlags } from './migrate-flags.js'
import { withMigrateHints } from './migrate-hints.js'
import { openMigrations } from './open-migrations.js'

export function migrateHistoryCommand(launcher: Launcher): Command {
  const command = new Command('history')
    .description('everything that migrations did to the database, the oldest first')
    .argument('[version]', 'only of this migration')
  return act(addMigrateFlags(command), launcher, async (context, word) => {
    const flags = command.opts<MigrateFlags>()
    const version = word === undefined ? null : versionOf(word)
    await withMigrateHints(context, flags, async () => {
      const job = await openMigrations(context, flags)
      const [{ history }, { table }] = await Promise.all([
        import('../migrations/run/history.js'),
        import('../output/table.js'),
      ])
      const entries = await history({ ...job, version })
      const { tenant, database } = job
      const { displayUrl } = job.api.transport
      context.output.result({ displayUrl, tenant, database, entries }, (shown) =>
        entries.length === 0
          ? `${placeText(shown)}: nothing yet`
          : table(
              ['when', 'version', 'try', 'event', 'what', 'by', 'run'],
              entries.map(({ at, version: of, attempt, event, message, actor, runId }) => [
                instant(new Date(at)),
                of,
                String(attempt),
                event,
                message,
                actor,
                runId,
              ]),
              ['try'],
            ),
      )
    })
  })
}
