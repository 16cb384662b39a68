import { Command } from 'commander'

import { act } from './command.js'
import type { Launcher } from './context.js'
import { addLockFlags, type LockFlags } from './migrate-flags.js'
import { withMigrateHints } from './migrate-hints.js'
import { openMigrations } from './open-migrations.js'
import { runAndTell } from './tell-run.js'

interface Flags extends LockFlags {
  readonly dryRun?: boolean
}

export function migrateResumeCommand(launcher: Launcher): Command {
  const command = new Command('resume').description(
    'go on with the migration that was interrupted, up or down, and no other',
  )
  addLockFlags(command).option('--dry-run', 'tell what is done and what is left')
  return act(command, launcher, async (context) => {
    const flags = command.opts<Flags>()
    const { dryRun = false } = flags
    if (!dryRun) context.changes('migrate resume')
    await withMigrateHints(context, flags, async (hints) => {
      const job = await openMigrations(context, flags)
      const { resume } = await import('../migrations/run/resume.js')
      await runAndTell({ context, job, hints, dryRun }, 'resume', () => resume({ ...job, dryRun }))
    })
  })
}

export function migrateAbortCommand(launcher: Launcher): Command {
  const command = new Command('abort').description(
    'give the interrupted migration up: what it built is dropped, what it changed is taken back',
  )
  addLockFlags(command).option('--dry-run', 'tell what would be done')
  return act(command, launcher, async (context) => {
    const flags = command.opts<Flags>()
    const { dryRun = false } = flags
    if (!dryRun) context.changes('migrate abort')
    await withMigrateHints(context, flags, async (hints) => {
      const job = await openMigrations(context, flags)
      const { abort } = await import('../migrations/run/resume.js')
      await runAndTell({ context, job, hints, dryRun }, 'abort', () => abort({ ...job, dryRun }))
    })
  })
}
