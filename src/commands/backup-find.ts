import { Command } from 'commander'

import type { BackupHolding, FindReport } from '../backup/find-records.js'
import { ExitCode } from '../core/exit-code.js'
import { displayName } from '../core/records.js'
import { instant, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { idsOf, type IdFlags } from './ids.js'
import { repeated } from './parse.js'
import { chosenSeries, openOwnRepository } from './repository-command.js'

interface Flags extends IdFlags {
  readonly collection?: readonly string[]
  readonly series?: string
}

/** Enough to recognise them; `--json` has all. */
const SHOWN_IDS = 5

export function backupFindCommand(launcher: Launcher): Command {
  const command = new Command('find')
    .description('say which backups hold a record')
    .addOption(repeated('--id <id>', 'the record; can be repeated'))
    .option('--ids-file <file>', 'a file with an id on each line, or a JSON array of ids')
    .addOption(repeated('--collection <pattern>', 'only in these: [[tenant/]database/]name with * and ?'))
    .option('--series <name>', 'only backups of a series')
  return act(command, launcher, async (context) => {
    const { collection, series, ...flags } = command.opts<Flags>()
    const ids = await idsOf(flags)
    const repository = await openOwnRepository(context)
    const { findRecords } = await import('../backup/find-records.js')
    const report = await findRecords({
      repository,
      ids,
      collections: collection,
      series: chosenSeries(context, series),
      progress: context.output,
      signal: context.signal,
    })
    context.finish(exitCodeOf(report))
    context.output.result({ repository: repository.store.displayUrl, ...report }, describeFound)
  })
}

/** What could not be searched leaves the answer open. */
function exitCodeOf({ backups, unsearched }: FindReport): ExitCode {
  if (unsearched.length > 0) return ExitCode.findings
  return backups.length > 0 ? ExitCode.ok : ExitCode.notFound
}

function describeFound(report: FindReport, style: Style): string {
  const { ids, backups, nowhere, searched } = report
  const verdict =
    backups.length === 0
      ? `in none of ${plural(searched, 'backup')}`
      : `in ${backups.length} of ${plural(searched, 'backup')}`
  return [
    `${plural(ids, 'id')}: ${verdict}`,
    ...backups.flatMap((holding) => describeHolding(holding, style)),
    ...(nowhere.length > 0 && backups.length > 0 ? [`in no backup: ${shortList(nowhere)}`] : []),
    ...describeUnsearched(report, style),
  ].join('\n')
}

function describeHolding({ backup, created, collections }: BackupHolding, style: Style): string[] {
  return [
    `${style.bold(backup)} of ${instant(new Date(created))}`,
    ...collections.map(
      (collection) =>
        `  ${displayName(collection)}: ${plural(collection.ids.length, 'record')}, ${shortList(collection.ids)}`,
    ),
  ]
}

export function describeUnsearched({ unsearched }: Pick<FindReport, 'unsearched'>, style: Style): string[] {
  return unsearched.map(
    ({ backup, collection, message }) =>
      `${style.warning('not searched:')} ${backup}${collection === null ? '' : `, ${collection}`}: ${message}`,
  )
}

function shortList(ids: readonly string[]): string {
  const more = ids.length - SHOWN_IDS
  return [...ids.slice(0, SHOWN_IDS), ...(more > 0 ? [`and ${more} more`] : [])].join(', ')
}
