import { writeFile } from 'node:fs/promises'
import path from 'node:path'

import { Command } from 'commander'

import { wholeNumber } from '../config/values.js'
import { ExitCode } from '../core/exit-code.js'
import { shellWord } from '../core/shell-word.js'
import type { MigrationPlan } from '../migrations/plan/migration-plan.js'
import type { PlanJob } from '../migrations/plan/plan.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { addMigrateFlags, countOf, versionOf, type MigrateFlags } from './migrate-flags.js'
import { withMigrateHints, type MigrateHints } from './migrate-hints.js'
import { execOrderOption, refuseBoth } from './migrate-order.js'
import { openMigrations } from './open-migrations.js'
import { parsed } from './parse.js'

interface Flags extends MigrateFlags {
  readonly to?: string
  readonly out?: string
  readonly sample: number
  readonly execOrder: PlanJob['execOrder']
  readonly backup: boolean
  readonly adopt?: boolean
}

/** Records of each collection that the functions of migrations are tried on. */
export const DEFAULT_SAMPLE = 500

export function migratePlanCommand(launcher: Launcher): Command {
  const command = new Command('plan')
    .description('what up would do: operations, records, cost, what is destructive; changes nothing')
    .argument('[n]', 'at most so many migrations (default: all)')
    .addOption(parsed('--to <version>', 'up to this version, and no further', versionOf))
    .option('--out <file>', 'write the plan there; "migrate up --plan" does exactly that or nothing')
    .addOption(
      parsed(
        '--sample <n>',
        'records of each collection to try transforms on',
        wholeNumber(0, 1_000_000),
      ).default(DEFAULT_SAMPLE),
    )
    .addOption(execOrderOption())
    .option('--no-backup', 'as for up: no backup before what cannot be taken back')
    .option('--adopt', 'as for up: a database with collections and no history')
  return act(addMigrateFlags(command), launcher, async (context, count) => {
    const flags = command.opts<Flags>()
    const limit = countOf(count)
    refuseBoth(limit, flags.to)
    await withMigrateHints(context, flags, async (hints) => {
      const job = await openMigrations(context, flags)
      const { to = null, execOrder, sample, adopt = false, out = null } = flags
      const planJob = { ...job, limit, to, execOrder, sample, adopt, skipBackup: !flags.backup }
      await tellPlan(context, hints, planJob, { allowDestructive: true, out })
    })
  })
}

export interface PlanTold {
  /** False: what is destructive would be refused. */
  readonly allowDestructive: boolean
  readonly out: string | null
}

/** A plan that `up` would refuse ends as `up` would. */
export async function tellPlan(
  context: CommandContext,
  hints: MigrateHints,
  job: PlanJob,
  { allowDestructive, out }: PlanTold,
): Promise<void> {
  const { output, host } = context
  const [{ plan }, { describePlan }] = await Promise.all([
    import('../migrations/plan/plan.js'),
    import('./describe-migration-plan.js'),
  ])
  const planned = await plan(job)
  if (out !== null) {
    const { planText } = await import('../migrations/plan/plan-file.js')
    await writeFile(path.resolve(host.cwd, out), planText(planned))
  }
  const { backup, destructive } = planned
  const isRefused =
    (backup.needed && backup.problem !== null) ||
    (destructive.length > 0 && !allowDestructive) ||
    lacksHistory(planned)
  if (isRefused) context.finish(ExitCode.refused)
  const apply = hints.command(['migrate up', ...applyWords(job, out, destructive.length > 0)].join(' '))
  output.result(planned, (shown, style) => describePlan(shown, style, { apply }))
}

function lacksHistory({ warnings }: MigrationPlan): boolean {
  return warnings.some(({ code }) => code === 'NO_HISTORY')
}

function applyWords(job: PlanJob, out: string | null, isDestructive: boolean): string[] {
  return [
    ...(job.limit === null ? [] : [String(job.limit)]),
    ...(job.to === null ? [] : ['--to', job.to]),
    ...(out === null ? [] : ['--plan', shellWord(out)]),
    ...(isDestructive ? ['--allow-destructive'] : []),
    ...(job.execOrder === 'linear' ? [] : ['--exec-order', job.execOrder]),
    ...(job.skipBackup ? ['--no-backup'] : []),
    ...(job.adopt ? ['--adopt'] : []),
  ]
}
