import { Command } from 'commander'

import { UsageError } from '../core/errors.js'
import { instant } from '../output/format.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { parsed } from './parse.js'
import { chooseBackup, openOwnRepository } from './repository-command.js'

interface Flags {
  readonly series?: string
  readonly reason?: string
  readonly until?: Date
}

export function backupHoldCommand(launcher: Launcher): Command {
  const command = new Command('hold')
    .description('keep a backup from being removed by prune, until it is released')
    .argument('<backup>', 'an id or its beginning, latest, latest~1, or a time')
    .option('--series <name>', 'choose among the backups of a series')
    .option('--reason <text>', 'why')
    .addOption(parsed('--until <time>', 'release it by itself then: 2027-01-01T00:00Z', timeOf))
  return act(command, launcher, async (context, selector) => {
    const flags = command.opts<Flags>()
    context.changes('backup hold')
    if (flags.until !== undefined && flags.until <= context.host.now())
      throw new UsageError(`--until: ${instant(flags.until)} has passed`)
    const repository = await openOwnRepository(context)
    const { head } = await chooseBackup(context, repository, needed(selector), flags)
    const { HOLD, putMark } = await import('../backup/backup-marks.js')
    const { mayRelyOn } = await import('../backup/live-sessions.js')
    const hold = {
      reason: flags.reason ?? null,
      until: flags.until?.toISOString() ?? null,
      actor: context.actor,
      since: context.host.now().toISOString(),
    }
    const audited = { repository, command: 'backup hold', details: { backup: head.id, ...hold } }
    const { signal } = context
    await withAudit(context, audited, () => putMark(repository, HOLD, head.id, hold, signal))
    // A prune that was about to remove it has not seen the hold; in the trash, too, the hold keeps it.
    if (!(await mayRelyOn(repository, head.id, signal))) throw await removed(head.id)
    context.output.result(
      { repository: repository.store.displayUrl, backup: head.id, ...hold },
      ({ backup, until }) =>
        `${backup} is held${until === null ? '' : ` until ${instant(new Date(until))}`}; no prune removes it`,
    )
  })
}

export function backupReleaseCommand(launcher: Launcher): Command {
  const command = new Command('release')
    .description('end the hold of a backup')
    .argument('<backup>', 'an id or its beginning; also of a removed one')
  return act(command, launcher, async (context, selector) => {
    context.changes('backup release')
    const repository = await openOwnRepository(context)
    const { HOLD, listMarked, removeMark } = await import('../backup/backup-marks.js')
    const { matchId } = await import('../backup/resolve-backup.js')
    const { signal } = context
    const held = [...(await listMarked(repository, HOLD, signal))]
    if (held.length === 0) throw new UsageError('no backup is held')
    const backup = matchId(repository, held, needed(selector))
    const audited = { repository, command: 'backup release', details: { backup } }
    await withAudit(context, audited, () => removeMark(repository, HOLD, backup, signal))
    const result = { repository: repository.store.displayUrl, backup }
    context.output.result(result, () => `${backup} is not held any more`)
  })
}

export function needed(selector: string | undefined): string {
  if (selector === undefined) throw new UsageError('no backup is named')
  return selector
}

async function removed(id: string): Promise<Error> {
  const { BackupNotFoundError } = await import('../backup/errors.js')
  return new BackupNotFoundError(
    `${id} was removed in the same moment; held in the trash, it is not purged`,
    {
      hint: `put it back: "chroma-ops backup undelete ${id}"`,
    },
  )
}

function timeOf(text: string): Date {
  const time = new Date(/[T ].*:/.test(text) && !/(Z|[+-]\d\d:?\d\d)$/i.test(text) ? `${text}Z` : text)
  if (Number.isNaN(time.getTime()) || !/^\d{4}-\d\d-\d\d/.test(text))
    throw new UsageError(`"${text}" is not a time`, { hint: 'for example 2027-01-01 or 2027-01-01T12:00Z' })
  return time
}
