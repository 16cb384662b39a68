import { readFile } from 'node:fs/promises'
import path from 'node:path'

import { Command } from 'commander'

import { asError, UsageError } from '../core/errors.js'
import type { MigrationPlan } from '../migrations/plan/migration-plan.js'
import type { UpJob } from '../migrations/run/up.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { addLockFlags, countOf, versionOf, type LockFlags } from './migrate-flags.js'
import { withMigrateHints, type MigrateHints } from './migrate-hints.js'
import { execOrderOption, refuseBoth } from './migrate-order.js'
import { DEFAULT_SAMPLE, tellPlan } from './migrate-plan.js'
import { openMigrations } from './open-migrations.js'
import { parsed } from './parse.js'
import { runAndTell } from './tell-run.js'

interface Flags extends LockFlags {
  readonly to?: string
  readonly plan?: string
  readonly allowDestructive?: boolean
  readonly execOrder: UpJob['execOrder']
  readonly backup: boolean
  readonly adopt?: boolean
  readonly dryRun?: boolean
}

export function migrateUpCommand(launcher: Launcher): Command {
  const command = new Command('up')
    .description('apply pending migrations; goes on with one that was interrupted')
    .argument('[n]', 'at most so many (default: all)')
    .addOption(parsed('--to <version>', 'up to this version, and no further', versionOf))
    .option('--plan <file>', 'only if everything is still as in this plan, of "migrate plan --out"')
    .option('--allow-destructive', 'also what loses records or collections for good')
    .addOption(execOrderOption())
    .option('--no-backup', 'no backup before what cannot be taken back')
    .option('--adopt', 'a database with collections and no history: apply every migration to it')
  addLockFlags(command).option('--dry-run', 'the plan, and nothing else')
  return act(command, launcher, async (context, count) => {
    const flags = command.opts<Flags>()
    await withMigrateHints(context, flags, (hints) => up(context, hints, flags, countOf(count)))
  })
}

async function up(
  context: CommandContext,
  hints: MigrateHints,
  flags: Flags,
  limit: number | null,
): Promise<void> {
  const { dryRun = false } = flags
  refuseBoth(limit, flags.to)
  if (!dryRun) context.changes('migrate up')
  const plan = flags.plan === undefined ? null : await readPlan(context, flags.plan)
  const job = await openMigrations(context, flags)
  const choice = {
    limit,
    to: flags.to ?? null,
    execOrder: flags.execOrder,
    skipBackup: !flags.backup,
    adopt: flags.adopt ?? false,
  }
  if (dryRun) {
    const allowDestructive = flags.allowDestructive ?? false
    await tellPlan(
      context,
      hints,
      { ...job, ...choice, sample: DEFAULT_SAMPLE },
      { allowDestructive, out: null },
    )
    return
  }
  const { up: apply } = await import('../migrations/run/up.js')
  const upJob = { ...job, ...choice, plan, allowDestructive: flags.allowDestructive ?? false }
  await runAndTell({ context, job, hints, dryRun }, 'up', () => apply(upJob))
}

async function readPlan({ host }: CommandContext, file: string): Promise<MigrationPlan> {
  const { parsePlan } = await import('../migrations/plan/plan-file.js')
  let text: string
  try {
    text = await readFile(path.resolve(host.cwd, file), 'utf8')
  } catch (error) {
    throw new UsageError(`--plan: ${asError(error).message}`, {
      hint: `make it: "chroma-ops migrate plan --out ${file}"`,
      cause: error,
    })
  }
  return parsePlan(text, file)
}
