import { Command } from 'commander'

import type { DownJob } from '../migrations/run/down.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { addLockFlags, countOf, versionOf, type LockFlags } from './migrate-flags.js'
import { withMigrateHints, type MigrateHints } from './migrate-hints.js'
import { refuseBoth } from './migrate-order.js'
import { openMigrations } from './open-migrations.js'
import { parsed } from './parse.js'
import { runAndTell } from './tell-run.js'

interface Flags extends LockFlags {
  readonly to?: string
  readonly restore?: boolean
  readonly acceptDataLoss?: boolean
  readonly yesProduction?: boolean
  readonly dryRun?: boolean
}

export function migrateDownCommand(launcher: Launcher): Command {
  const command = new Command('down')
    .alias('rollback')
    .description('take applied migrations back, the newest first')
    .argument('[n]', 'how many (default: 1)')
    .addOption(
      parsed('--to <version>', 'all that are newer than this version, which stays; 0 for all', versionOrNone),
    )
  addDownFlags(command)
  return act(command, launcher, async (context, count) => {
    const flags = command.opts<Flags>()
    refuseBoth(countOf(count), flags.to)
    await withMigrateHints(context, flags, async (hints) => {
      await takeBack('down', context, hints, flags, async (job) => {
        const { down } = await import('../migrations/run/down.js')
        return down({ ...job, count: countOf(count) ?? 1, to: flags.to ?? null })
      })
    })
  })
}

export function migrateRedoCommand(launcher: Launcher): Command {
  const command = new Command('redo')
    .description('take the newest migration back and apply it again')
    .argument('[n]', 'how many of the newest (default: 1)')
  addDownFlags(command).option('--no-backup', 'no backup before what cannot be taken back')
  return act(command, launcher, async (context, count) => {
    const flags = command.opts<Flags & { readonly backup: boolean }>()
    await withMigrateHints(context, flags, async (hints) => {
      await takeBack('redo', context, hints, flags, async (job) => {
        const { redo } = await import('../migrations/run/down.js')
        return redo({ ...job, count: countOf(count) ?? 1, to: null, skipBackup: !flags.backup })
      })
    })
  })
}

function addDownFlags(command: Command): Command {
  command
    .option('--restore', 'bring back the backup that was made before what cannot be taken back otherwise')
    .option('--accept-data-loss', 'although records that were written since would be lost')
    .option('--yes-production', 'although the database is stamped as production')
  return addLockFlags(command).option('--dry-run', 'tell what would be done')
}

async function takeBack(
  action: 'down' | 'redo',
  context: CommandContext,
  hints: MigrateHints,
  flags: Flags,
  work: (job: Omit<DownJob, 'count' | 'to'>) => ReturnType<Parameters<typeof runAndTell>[2]>,
): Promise<void> {
  const { dryRun = false, restore = false, acceptDataLoss = false, yesProduction = false } = flags
  if (!dryRun) context.changes(`migrate ${action}`)
  const job = await openMigrations(context, flags)
  const downJob = { ...job, restore, acceptDataLoss, dryRun, allowProduction: yesProduction }
  await runAndTell({ context, job, hints, dryRun }, action, () => work(downJob))
}

function versionOrNone(text: string): string {
  return text === '0' ? text : versionOf(text)
}
