import { Command } from 'commander'

import { UsageError } from '../core/errors.js'
import type { UnlockResult } from '../migrations/run/unlock.js'
import type { Style } from '../output/style.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { describeLock } from './describe-migration-lock.js'
import { addMigrateFlags, type MigrateFlags } from './migrate-flags.js'
import { withMigrateHints } from './migrate-hints.js'
import { openMigrations } from './open-migrations.js'

interface Flags extends MigrateFlags {
  readonly lockId?: string
  readonly apply?: boolean
}

export function migrateUnlockCommand(launcher: Launcher): Command {
  const command = new Command('unlock')
    .description('take the lock away from a run that is known to be dead; tells who holds it at first')
    .option('--lock-id <id>', 'of the lock, as status shows it: no other one is taken away')
    .option('--apply', 'do it')
  return act(addMigrateFlags(command), launcher, async (context) => {
    const flags = command.opts<Flags>()
    const { apply = false, lockId = null } = flags
    if (apply) context.changes('migrate unlock')
    if (apply && lockId === null)
      throw new UsageError('--apply needs --lock-id', {
        hint: 'see who holds the lock: "chroma-ops migrate unlock"',
      })
    await withMigrateHints(context, flags, async (hints) => {
      const job = await openMigrations(context, flags)
      const { unlock } = await import('../migrations/run/unlock.js')
      const work = () => unlock({ ...job, lockId, apply })
      const details = { target: job.api.transport.displayUrl, database: job.database, lockId }
      const audited = { repository: null, command: 'migrate unlock', details }
      const result = apply
        ? await withAudit(context, audited, work, ({ removed }) => ({ removed }))
        : await work()
      const id = result.lock?.id ?? ''
      const next = {
        unlock: hints.command(`migrate unlock --lock-id ${id} --apply`),
        up: hints.command('migrate up'),
      }
      context.output.result(result, (shown, style) => describe(shown, style, next))
    })
  })
}

function describe(
  { lock, removed }: UnlockResult,
  style: Style,
  next: { readonly unlock: string; readonly up: string },
): string {
  if (lock === null) return 'nobody holds the lock'
  return [
    ...describeLock(lock, style),
    removed
      ? `the lock is free; a run that still lives writes nothing more. Go on with: ${next.up}`
      : `a dead run is replaced by itself; when you are sure and cannot wait: ${next.unlock}`,
  ].join('\n')
}
