import { closeSync, openSync, writeSync } from 'node:fs'

import { Command } from 'commander'

import type { Repository } from '../backup/repository.js'
import type { RescueReport } from '../backup/rescue-directory.js'
import { UsageError, asError } from '../core/errors.js'
import { displayName, type CollectionName } from '../core/records.js'
import type { RescuedCollection, RescuedState } from '../datadir/rescue-source.js'
import { grouped, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { repeated } from './parse.js'
import { openOwnRepository, shownHead } from './repository-command.js'
import { targetDirectory } from './target.js'

interface Flags {
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly series: string
  readonly report?: string
  readonly matchByOrder?: boolean
  readonly init?: boolean
  readonly dryRun?: boolean
}

export function rescueCommand(launcher: Launcher): Command {
  const command = new Command('rescue')
    .description('read every record that can still be had of a damaged data directory into a backup')
    .addOption(repeated('--collection <pattern>', 'only these: [[tenant/]database/]name with * and ?'))
    .addOption(repeated('--exclude <pattern>', 'all but these'))
    .option('--series <name>', 'the series that the backup belongs to', 'rescue')
    .option('--report <file>', 'write a line for each record: what could be had of it')
    .option('--match-by-order', 'where the list of ids is lost: match vectors and records by their order')
    .option('--init', 'create the repository if there is none')
    .option('--dry-run', 'read everything and tell what could be had, but write no backup')
  return act(command, launcher, async (context) => {
    await rescue(context, command.opts<Flags>())
  })
}

async function rescue(context: CommandContext, flags: Flags): Promise<void> {
  if (flags.dryRun !== true) context.changes('rescue')
  const directory = targetDirectory(context)
  if (directory === null) throw new UsageError('no data directory is named', { hint: 'name it with --path' })
  const repository = flags.dryRun === true ? null : await openRepository(context, flags)
  const records = flags.report === undefined ? null : new ReportFile(flags.report)
  const { rescueDirectory } = await import('../backup/rescue-directory.js')
  const { actor, host, output, signal } = context
  const work = async () =>
    rescueDirectory({
      directory,
      repository,
      tempDir: await context.tempDir(),
      matchByOrder: flags.matchByOrder,
      onRecord: (collection, id, state) => records?.add(collection, id, state),
      series: flags.series,
      tags: {},
      collections: flags.collection,
      exclude: flags.exclude,
      actor,
      host: host.hostname,
      toolVersion: host.version,
      now: host.now,
      progress: output,
      signal,
    })
  try {
    const audited = { repository, command: 'rescue', details: { directory } }
    const report =
      repository === null
        ? await work()
        : await withAudit(context, audited, work, ({ backup, exitCode }) => ({
            backup: backup?.id ?? null,
            exitCode,
          }))
    context.finish(report.exitCode)
    const result = {
      repository: repository?.store.displayUrl ?? null,
      dryRun: flags.dryRun ?? false,
      ...report,
      backup: report.backup === null ? null : shownHead(report.backup),
      report: flags.report ?? null,
    }
    output.result(result, describeRescue)
  } finally {
    records?.end()
  }
}

async function openRepository(context: CommandContext, { init }: Flags): Promise<Repository> {
  if (init !== true) return openOwnRepository(context)
  const { initWithKey } = await import('./repository-access.js')
  return (await initWithKey(context, await context.openRepositoryStore())).repository
}

/** JSON lines; written as they come, so that nothing is gathered in memory. */
class ReportFile {
  readonly #handle: number
  #lines: string[] = []

  constructor(file: string) {
    try {
      this.#handle = openSync(file, 'w')
    } catch (error) {
      throw new UsageError(`--report: ${asError(error).message}`, { cause: error })
    }
  }

  add(collection: CollectionName, id: string, state: RescuedState): void {
    this.#lines.push(`${JSON.stringify({ collection: displayName(collection), id, state })}\n`)
    if (this.#lines.length >= 1_000) this.#flush()
  }

  end(): void {
    this.#flush()
    closeSync(this.#handle)
  }

  #flush(): void {
    writeSync(this.#handle, this.#lines.join(''))
    this.#lines = []
  }
}

type ShownReport = Omit<RescueReport, 'backup'> & {
  readonly dryRun: boolean
  readonly backup: { readonly id: string; readonly status: string } | null
  readonly report: string | null
}

function describeRescue(result: ShownReport, style: Style): string {
  const { directory, notes, collections, failed, backup, report } = result
  const records = collections.reduce((sum, each) => sum + each.records, 0)
  const whole = collections.reduce((sum, each) => sum + each.whole, 0)
  const verdict =
    result.exitCode === 0 ? style.good('everything is whole') : style.bad('NOT everything is whole')
  return [
    `${directory}: ${plural(collections.length, 'collection')}, ${plural(records, 'record')}, ${grouped(whole)} whole; ${verdict}`,
    ...notes.map((note) => `${style.warning('found:')} ${note}`),
    ...collections.flatMap((collection) => describeCollection(collection, style)),
    ...failed.map(
      ({ collection, code, message }) =>
        `  ${collection}: ${style.bad('could not be read')}: ${message} (${code})`,
    ),
    backup === null
      ? 'nothing has been written'
      : `written as backup ${style.bold(backup.id)} (${backup.status}); restore it ${backup.status === 'partial' ? 'with --allow-partial, ' : ''}into another place`,
    ...(report === null ? [] : [`one line for each record in ${report}`]),
  ].join('\n')
}

function describeCollection(collection: RescuedCollection, style: Style): string[] {
  const { records, whole, withoutVector, inPart, withoutText, idOnly, vectorsWithoutId, notes } = collection
  const facts = [
    `${grouped(whole)} of ${plural(records, 'record')} whole`,
    ...(withoutVector > 0 ? [style.bad(`${grouped(withoutVector)} with text but no vector`)] : []),
    ...(inPart > 0 ? [style.bad(`${grouped(inPart)} in part, or not surely as they were`)] : []),
    ...(withoutText > 0 ? [style.bad(`${grouped(withoutText)} with vector but no text`)] : []),
    ...(idOnly > 0 ? [style.bad(`${grouped(idOnly)} with neither`)] : []),
    ...(vectorsWithoutId > 0
      ? [style.bad(`${grouped(vectorsWithoutId)} vectors whose ids only the lost list knew; left out`)]
      : []),
  ]
  return [`  ${displayName(collection)}: ${facts.join(', ')}`, ...notes.map((note) => `    ${note}`)]
}
