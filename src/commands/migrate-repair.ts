import { Command } from 'commander'

import { UsageError } from '../core/errors.js'
import type { BaselineResult, Repair, RepairResult } from '../migrations/run/repair.js'
import { plural } from '../output/format.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { addLockFlags, versionOf, type LockFlags } from './migrate-flags.js'
import { withMigrateHints } from './migrate-hints.js'
import { openMigrations } from './open-migrations.js'
import { parsed } from './parse.js'

interface Flags extends LockFlags {
  readonly checksums?: boolean
  readonly markApplied?: string
  readonly markRolledBack?: string
  readonly forget?: string
  readonly apply?: boolean
}

export function migrateRepairCommand(launcher: Launcher): Command {
  const command = new Command('repair')
    .description('make the history say what is true; never touches the data; a plan at first')
    .option('--checksums', 'take the checksums of the files as they are now')
    .addOption(parsed('--mark-applied <version>', 'what it does was done by hand', versionOf))
    .addOption(parsed('--mark-rolled-back <version>', 'what it did was taken back by hand', versionOf))
    .addOption(parsed('--forget <version>', 'remove it from the state; its history stays', versionOf))
    .option('--apply', 'do it')
  return act(addLockFlags(command), launcher, async (context) => {
    const flags = command.opts<Flags>()
    const { apply = false } = flags
    const { repair: choice, words } = choiceOf(flags)
    if (apply) context.changes('migrate repair')
    await withMigrateHints(context, flags, async (hints) => {
      const job = await openMigrations(context, flags)
      const { repair } = await import('../migrations/run/repair.js')
      const work = () => repair({ ...job, repair: choice, apply })
      const details = { target: job.api.transport.displayUrl, database: job.database, ...choice }
      const audited = { repository: null, command: 'migrate repair', details }
      const result = apply
        ? await withAudit(context, audited, work, ({ actions }) => ({ actions }))
        : await work()
      const next = hints.command(`migrate repair ${words} --apply`)
      context.output.result(result, (shown) => describeRepair(shown, next))
    })
  })
}

export function migrateBaselineCommand(launcher: Launcher): Command {
  const command = new Command('baseline')
    .description('begin the history of a database that has collections already')
    .argument('[version]', 'up to this one, migrations count as applied (default: none)')
  addLockFlags(command).option('--dry-run', 'tell what would be recorded')
  return act(command, launcher, async (context, word) => {
    const flags = command.opts<LockFlags & { readonly dryRun?: boolean }>()
    const { dryRun = false } = flags
    const version = word === undefined ? null : versionOf(word)
    if (!dryRun) context.changes('migrate baseline')
    await withMigrateHints(context, flags, async (hints) => {
      const job = await openMigrations(context, flags)
      const { baseline } = await import('../migrations/run/repair.js')
      const work = () => baseline({ ...job, version, dryRun })
      const details = { target: job.api.transport.displayUrl, database: job.database, version }
      const audited = { repository: null, command: 'migrate baseline', details }
      const result = dryRun ? await work() : await withAudit(context, audited, work)
      const next = hints.command('migrate status')
      context.output.result({ dryRun, ...result }, (shown) => describeBaseline(shown, next))
    })
  })
}

function choiceOf(flags: Flags): { readonly repair: Repair; readonly words: string } {
  const { checksums, markApplied, markRolledBack, forget } = flags
  const choices: { readonly repair: Repair; readonly words: string }[] = []
  if (checksums === true) choices.push({ repair: { kind: 'checksums' }, words: '--checksums' })
  if (markApplied !== undefined)
    choices.push({
      repair: { kind: 'markApplied', version: markApplied },
      words: `--mark-applied ${markApplied}`,
    })
  if (markRolledBack !== undefined)
    choices.push({
      repair: { kind: 'markRolledBack', version: markRolledBack },
      words: `--mark-rolled-back ${markRolledBack}`,
    })
  if (forget !== undefined)
    choices.push({ repair: { kind: 'forget', version: forget }, words: `--forget ${forget}` })
  const [choice, other] = choices
  if (choice === undefined || other !== undefined)
    throw new UsageError('repair does one thing at a time', {
      hint: 'give one of --checksums, --mark-applied, --mark-rolled-back, --forget',
    })
  return choice
}

function describeRepair({ applied, actions }: RepairResult, next: string): string {
  if (actions.length === 0) return 'there is nothing to repair'
  return [
    ...actions.map(({ version, message }) => `${version}: ${message}`),
    applied
      ? `repaired ${plural(actions.length, 'migration')}`
      : `nothing has been changed; do it with: ${next}`,
  ].join('\n')
}

function describeBaseline(
  { dryRun, versions }: BaselineResult & { readonly dryRun: boolean },
  next: string,
): string {
  const what = versions.length === 0 ? 'no migration' : versions.join(', ')
  return dryRun
    ? `nothing has been changed; ${what} would be recorded as applied`
    : `${what} recorded as applied; the history begins here\nsee: ${next}`
}
