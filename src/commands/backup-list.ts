import { Command } from 'commander'

import type { BackupEntry } from '../backup/list-backups.js'
import type { Repository } from '../backup/repository.js'
import type { DamagedTrash, TrashedBackup } from '../backup/trash.js'
import { ExitCode } from '../core/exit-code.js'
import type { Warning } from '../core/progress.js'
import { grouped, instant, shortBytes } from '../output/format.js'
import type { Style } from '../output/style.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { readBackupMarks, shownWithMarks, type BackupMarks } from './marked-backups.js'
import { chosenSeries, openOwnRepository } from './repository-command.js'

interface Flags {
  readonly series?: string
  readonly removed?: boolean
}

export function backupListCommand(launcher: Launcher): Command {
  const command = new Command('list')
    .description('list the backups of a repository, the newest first')
    .option('--series <name>', 'only those of a series')
    .option('--removed', 'those that "backup undelete" can put back')
  return act(command, launcher, async (context) => {
    const { series, removed = false } = command.opts<Flags>()
    const repository = await openOwnRepository(context)
    if (removed) {
      await tellRemoved(context, repository, chosenSeries(context, series))
      return
    }
    const [{ listBackups }, { clockWarning }, { table }] = await Promise.all([
      import('../backup/list-backups.js'),
      import('../backup/clock.js'),
      import('../output/table.js'),
    ])
    const entries = await listBackups(repository, {
      series: chosenSeries(context, series),
      signal: context.signal,
    })
    const warningOf = (entry: BackupEntry): Warning | null =>
      entry.head === null ? damageOf(entry) : clockWarning(entry.head, context.host.now())
    const warnings = entries.flatMap((entry) => warningOf(entry) ?? [])
    for (const warning of warnings) context.output.warn(warning)
    if (entries.some(({ damaged }) => damaged !== null)) context.finish(ExitCode.findings)
    const marks = await readBackupMarks(repository, context)
    const backups = entries.map((entry) => shown(entry, marks))
    const result = { repository: repository.store.displayUrl, backups, warnings }
    context.output.result(result, (_, style) =>
      entries.length === 0
        ? `no backups in ${result.repository}`
        : table(
            HEADER,
            entries.map((entry) =>
              row(entry, { isFromFuture: entry.head !== null && warningOf(entry) !== null, marks, style }),
            ),
            RIGHT,
          ),
    )
  })
}

const HEADER = ['id', 'finished', 'type', 'status', 'collections', 'records', 'size', 'added']
const RIGHT = ['collections', 'records', 'size', 'added']

/** A damaged one has only its id, its series and what is wrong with it. */
function shown({ id, series, head, damaged }: BackupEntry, marks: BackupMarks): object {
  if (head !== null) return { ...shownWithMarks(head, marks), damaged: null }
  const { code, message } = damaged
  return { id, series, hold: marks.holds.get(id) ?? null, damaged: { code, message } }
}

async function tellRemoved(
  context: CommandContext,
  repository: Repository,
  series: string | undefined,
): Promise<void> {
  const [{ listRemoved }, { parseBackupId }, { table }] = await Promise.all([
    import('../backup/undelete-backup.js'),
    import('../backup/backup-id.js'),
    import('../output/table.js'),
  ])
  const all = await listRemoved(repository, context.signal)
  const removed = all
    .map((entry) => ({ id: entry.id, series: parseBackupId(entry.id)?.series ?? '', ...removalOf(entry) }))
    .filter((entry) => series === undefined || entry.series === series)
  if (removed.some(({ damaged }) => damaged !== null)) context.finish(ExitCode.findings)
  context.output.result({ repository: repository.store.displayUrl, removed }, () =>
    removed.length === 0
      ? 'no removed backup can be put back'
      : table(
          ['id', 'removed', 'by', 'why'],
          removed.map((entry) =>
            entry.damaged === null
              ? [entry.id, instant(new Date(entry.removed)), entry.actor, entry.why]
              : [entry.id, '-', '-', entry.damaged.code],
          ),
        ),
  )
}

function removalOf(entry: TrashedBackup | DamagedTrash) {
  if ('damaged' in entry) {
    const { code, message } = entry.damaged
    return { removed: null, actor: null, why: null, damaged: { code, message } }
  }
  const { trashed: removed, actor, why } = entry
  return { removed, actor, why, damaged: null }
}

function damageOf({ id, damaged }: Extract<BackupEntry, { head: null }>): Warning {
  const { code, message } = damaged
  return { code, message: message.includes(id) ? message : `${id}: ${message}` }
}

function row(
  { id, head, damaged }: BackupEntry,
  { isFromFuture, marks, style }: { isFromFuture: boolean; marks: BackupMarks; style: Style },
): string[] {
  if (head === null) return [id, '-', '-', style.bad(damaged.code), '-', '-', '-', '-']
  const { finished, type, status, counts, sizes } = head
  return [
    id,
    instant(new Date(finished)) + (isFromFuture ? style.warning(' (yet to come)') : ''),
    type,
    (status === 'complete' ? style.good(status) : style.warning(status)) +
      (marks.holds.has(id) ? ', held' : ''),
    grouped(counts.collections),
    grouped(counts.records),
    shortBytes(sizes.logical),
    shortBytes(sizes.added),
  ]
}
