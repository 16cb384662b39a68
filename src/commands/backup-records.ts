import type { BackupJob } from '../backup/backup-job.js'
import type { Repository } from '../backup/repository.js'
import { catalogue } from '../config/catalogue.js'
import { withAudit } from './audit.js'
import { seriesFor, type OpenedSource } from './backup-target.js'
import type { CommandContext } from './context.js'
import type { Degradations } from './degradations.js'
import { inTurn, type IfRunning } from './if-running.js'
import { pairsOf } from './parse.js'
import { shownHead } from './repository-command.js'
import { restoreCommandLine, restoreIntoDirectoryLine } from './restore-command-line.js'

/** The flags of a backup of records. */
export interface RecordsFlags {
  readonly type: 'auto' | 'full' | 'incremental' | 'collection' | 'physical'
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly series?: string
  readonly tag?: readonly string[]
  readonly allowEmpty?: boolean
  readonly allowShrink?: boolean
  readonly ifRunning: IfRunning
  readonly resume: boolean
}

/** Backs up records, of a server or out of a data directory. */
export async function backUpRecords(
  context: CommandContext,
  flags: RecordsFlags,
  place: { readonly repository: Repository; readonly degraded: Degradations; readonly opened: OpenedSource },
): Promise<void> {
  const { output, settings } = context
  const { repository, degraded, opened } = place
  const job = await backupJob(context, flags, repository, opened)
  const { createBackup } = await import('../backup/create-backup.js')
  const details = {
    repository: repository.store.displayUrl,
    target: opened.target.url,
    series: job.series,
    overrides: overridesOf(flags),
    degraded: degraded.list.map(({ code }) => code),
  }
  const turn = { repository, series: job.series, ifRunning: flags.ifRunning }
  const summary = await inTurn(context, turn, () =>
    withAudit(
      context,
      { repository, command: 'backup create', details },
      () => createBackup(job),
      ({ head }) => ({ backup: head.id, status: head.status }),
    ),
  )
  if (summary === null) return
  const { head, resumed } = summary
  await degraded.finish(summary.exitCode, { id: head.id, pins: resumed?.runs ?? [] })
  const { describeHead, describeResumed, shownCollection } = await import('./describe-backup.js')
  const restoreCommand =
    opened.directory === null
      ? restoreCommandLine(head, opened.target.url, settings)
      : restoreIntoDirectoryLine(head, opened.directory, settings)
  const result = {
    repository: repository.store.displayUrl,
    backup: shownHead(head),
    collections: summary.collections.map(shownCollection),
    unchangedCollections: summary.unchangedCollections,
    resumed,
    degraded: degraded.list,
    restoreCommand,
  }
  output.result(result, ({ backup, collections }, style) =>
    [
      describeHead(backup, collections, style),
      ...describeResumed(resumed),
      ...degraded.describe(style),
      '',
      'restore it with:',
      `  ${restoreCommand}`,
    ].join('\n'),
  )
}

export async function backupJob(
  context: CommandContext,
  flags: RecordsFlags,
  repository: Repository,
  { source, target, scope }: OpenedSource,
): Promise<BackupJob> {
  const { settings, host, signal, output, actor } = context
  return {
    repository,
    source,
    target,
    scope,
    series: seriesFor(context, flags.series, target.url),
    tags: Object.fromEntries(pairsOf('--tag', flags.tag ?? [])),
    type: flags.type === 'physical' ? 'auto' : flags.type,
    collections: flags.collection,
    exclude: flags.exclude,
    allowEmpty: flags.allowEmpty ?? false,
    allowShrink: flags.allowShrink ?? false,
    resume: flags.resume,
    actor,
    host: host.hostname,
    toolVersion: host.version,
    now: host.now,
    progress: output,
    signal,
    concurrency: settings.value(catalogue.concurrency),
  }
}

function overridesOf({ allowEmpty, allowShrink }: RecordsFlags): string[] {
  return [
    ...(allowEmpty === true ? ['--allow-empty'] : []),
    ...(allowShrink === true ? ['--allow-shrink'] : []),
  ]
}
