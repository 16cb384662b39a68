import { Command } from 'commander'

import type { BackupEntry } from '../backup/list-backups.js'
import { ExitCode } from '../core/exit-code.js'
import type { Warning } from '../core/progress.js'
import { grouped, instant, shortBytes } from '../output/format.js'
import type { Style } from '../output/style.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { chosenSeries, openOwnRepository, shownHead } from './repository-command.js'

interface Flags {
  readonly series?: string
}

export function backupListCommand(launcher: Launcher): Command {
  const command = new Command('list')
    .description('list the backups of a repository, the newest first')
    .option('--series <name>', 'only those of a series')
  return act(command, launcher, async (context) => {
    const { series } = command.opts<Flags>()
    const repository = await openOwnRepository(context)
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
    const result = { repository: repository.store.displayUrl, backups: entries.map(shown), warnings }
    context.output.result(result, (_, style) =>
      entries.length === 0
        ? `no backups in ${result.repository}`
        : table(
            HEADER,
            entries.map((entry) => row(entry, entry.head !== null && warningOf(entry) !== null, style)),
            RIGHT,
          ),
    )
  })
}

const HEADER = ['id', 'finished', 'type', 'status', 'collections', 'records', 'size', 'added']
const RIGHT = ['collections', 'records', 'size', 'added']

/** A damaged one has only its id, its series and what is wrong with it. */
function shown({ id, series, head, damaged }: BackupEntry): object {
  if (head !== null) return { ...shownHead(head), damaged: null }
  return { id, series, damaged: { code: damaged.code, message: damaged.message } }
}

function damageOf({ id, damaged }: Extract<BackupEntry, { head: null }>): Warning {
  const { code, message } = damaged
  return { code, message: message.includes(id) ? message : `${id}: ${message}` }
}

function row({ id, head, damaged }: BackupEntry, isFromFuture: boolean, style: Style): string[] {
  if (head === null) return [id, '-', '-', style.bad(damaged.code), '-', '-', '-', '-']
  const { finished, type, status, counts, sizes } = head
  return [
    id,
    instant(new Date(finished)) + (isFromFuture ? style.warning(' (yet to come)') : ''),
    type,
    status === 'complete' ? style.good(status) : style.warning(status),
    grouped(counts.collections),
    grouped(counts.records),
    shortBytes(sizes.logical),
    shortBytes(sizes.added),
  ]
}
