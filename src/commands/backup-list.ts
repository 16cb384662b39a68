import { Command } from 'commander'

import type { BackupEntry } from '../backup/list-backups.js'
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
    const [{ listBackups }, { table }] = await Promise.all([
      import('../backup/list-backups.js'),
      import('../output/table.js'),
    ])
    const entries = await listBackups(repository, {
      series: chosenSeries(context, series),
      signal: context.signal,
    })
    const result = { repository: repository.store.displayUrl, backups: entries.map(shown) }
    context.output.result(result, (_, style) =>
      entries.length === 0
        ? `no backups in ${result.repository}`
        : table(
            HEADER,
            entries.map((entry) => row(entry, style)),
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

function row({ id, head, damaged }: BackupEntry, style: Style): string[] {
  if (head === null) return [id, '-', '-', style.bad(damaged.code), '-', '-', '-', '-']
  const { finished, type, status, counts, sizes } = head
  return [
    id,
    instant(new Date(finished)),
    type,
    status === 'complete' ? style.good(status) : style.warning(status),
    grouped(counts.collections),
    grouped(counts.records),
    shortBytes(sizes.logical),
    shortBytes(sizes.added),
  ]
}
