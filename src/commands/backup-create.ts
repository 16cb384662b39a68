import { Command, Option } from 'commander'

import type { BackupJob } from '../backup/backup-job.js'
import type { Repository } from '../backup/repository.js'
import { catalogue } from '../config/catalogue.js'
import { durationOf } from '../config/values.js'
import { OpsError, UsageError } from '../core/errors.js'
import { withAudit } from './audit.js'
import type { OpenedSource } from './backup-target.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { ifRunningOption, inTurn, type IfRunning } from './if-running.js'
import { pairsOf, parsed, repeated } from './parse.js'
import { openOwnRepository, shownHead } from './repository-command.js'
import { restoreCommandLine, restoreIntoDirectoryLine } from './restore-command-line.js'
import { targetDirectory } from './target.js'

interface Flags {
  readonly type: 'auto' | 'full' | 'incremental' | 'collection' | 'physical'
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly series?: string
  readonly tag?: readonly string[]
  readonly allowEmpty?: boolean
  readonly allowShrink?: boolean
  readonly maxStall?: number
  readonly ifRunning: IfRunning
  readonly dryRun?: boolean
  readonly init?: boolean
}

export function backupCreateCommand(launcher: Launcher): Command {
  const command = new Command('create')
    .description('back up a server or a data directory (also: chroma-ops backup)')
    .addOption(
      new Option(
        '--type <type>',
        'full: all records; incremental: those that changed since the last one; collection: a selection; physical: the files (auto: with --path, else what is possible)',
      )
        .choices(['auto', 'full', 'incremental', 'collection', 'physical'])
        .default('auto'),
    )
    .addOption(repeated('--collection <pattern>', 'only these: [[tenant/]database/]name with * and ?'))
    .addOption(repeated('--exclude <pattern>', 'all but these'))
    .option('--series <name>', "the series it belongs to (default: the profile's name, else from the target)")
    .addOption(repeated('--tag <key=value>', 'a note to find it by'))
    .option('--allow-empty', 'back up a source without collections')
    .option(
      '--allow-shrink',
      'back up a source that has lost more than half of its records, or a smaller scope',
    )
    .addOption(
      parsed(
        '--max-stall <duration>',
        'physical: how long writers may be kept waiting (default: 5s)',
        durationOf,
      ),
    )
    .addOption(ifRunningOption())
    .option('--init', 'create the repository if there is none')
    .option('--dry-run', 'tell what would be backed up and how big it is')
  return act(command, launcher, async (context) => {
    const flags = command.opts<Flags>()
    if (flags.dryRun === true) await plan(context, flags)
    else await create(context, flags)
  })
}

async function create(context: CommandContext, flags: Flags): Promise<void> {
  context.changes('backup')
  const { output, settings } = context
  const directory = physicalDirectory(context, flags)
  const repository = flags.init === true ? await initialised(context) : await openOwnRepository(context)
  if (directory !== null) {
    const { backUpFiles } = await import('./backup-physical.js')
    await backUpFiles(context, flags, repository, directory)
    return
  }
  const { openSource } = await import('./backup-target.js')
  const opened = await openSource(context)
  const job = await backupJob(context, flags, repository, opened)
  const { createBackup } = await import('../backup/create-backup.js')
  const details = {
    repository: repository.store.displayUrl,
    target: opened.target.url,
    series: job.series,
    overrides: overridesOf(flags),
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
  context.finish(summary.exitCode)
  const { describeHead, shownCollection } = await import('./describe-backup.js')
  const restoreCommand =
    opened.directory === null
      ? restoreCommandLine(summary.head, opened.target.url, settings)
      : restoreIntoDirectoryLine(summary.head, opened.directory, settings)
  const result = {
    repository: repository.store.displayUrl,
    backup: shownHead(summary.head),
    collections: summary.collections.map(shownCollection),
    unchangedCollections: summary.unchangedCollections,
    restoreCommand,
  }
  output.result(result, ({ backup, collections }, style) =>
    [describeHead(backup, collections, style), '', 'restore it with:', `  ${restoreCommand}`].join('\n'),
  )
}

async function plan(context: CommandContext, flags: Flags): Promise<void> {
  const directory = physicalDirectory(context, flags)
  const { repository, displayUrl } = await repositoryToPlanFor(context, flags.init === true)
  if (directory !== null) {
    const { planFiles } = await import('./backup-physical.js')
    await planFiles(context, flags, repository, { displayUrl, directory })
    return
  }
  const { openSource } = await import('./backup-target.js')
  const job = await backupJob(context, flags, repository, await openSource(context))
  const [{ planBackup }, { describePlan, planExitCode }] = await Promise.all([
    import('../backup/plan-backup.js'),
    import('./describe-backup-plan.js'),
  ])
  const backupPlan = await planBackup(job)
  context.finish(planExitCode(backupPlan))
  context.output.result({ repository: displayUrl, dryRun: true, ...backupPlan }, describePlan)
}

/** With `--init`, an empty one in memory stands for the repository that is not there yet. */
async function repositoryToPlanFor(
  context: CommandContext,
  mayBeMissing: boolean,
): Promise<{ repository: Repository; displayUrl: string }> {
  const store = await context.openRepositoryStore()
  const { displayUrl } = store
  const [{ initRepository }, { openWithKey }] = await Promise.all([
    import('../backup/repository.js'),
    import('./repository-access.js'),
  ])
  try {
    return { repository: await openWithKey(context, store), displayUrl }
  } catch (error) {
    if (!mayBeMissing || !(error instanceof OpsError) || error.code !== 'REPOSITORY_NOT_FOUND') throw error
  }
  context.output.note(`the repository at ${displayUrl} would be created`)
  const { MemoryStore } = await import('../storage/memory-store.js')
  const { repository } = await initRepository({ store: new MemoryStore('plan'), now: context.host.now() })
  return { repository, displayUrl }
}

async function initialised(context: CommandContext): Promise<Repository> {
  const store = await context.openRepositoryStore()
  const { initWithKey } = await import('./repository-access.js')
  const { repository, created } = await initWithKey(context, store)
  if (created) context.output.note(`created repository ${repository.id} at ${store.displayUrl}`)
  return repository
}

/** The directory whose files are to be backed up; null when it is about records. */
function physicalDirectory(context: CommandContext, flags: Flags): string | null {
  const directory = targetDirectory(context)
  if (flags.type === 'physical' && directory === null)
    throw new UsageError('a physical backup is one of a data directory', { hint: 'name it with --path' })
  const isPhysical = directory !== null && ['auto', 'physical'].includes(flags.type)
  if (!isPhysical && flags.maxStall !== undefined)
    throw new UsageError('--max-stall goes with physical backups only')
  if (isPhysical && (flags.collection !== undefined || flags.exclude !== undefined))
    throw new UsageError('a physical backup has the whole directory', {
      hint: 'give --type full with --collection and --exclude',
    })
  return isPhysical ? directory : null
}

async function backupJob(
  context: CommandContext,
  flags: Flags,
  repository: Repository,
  { source, target, scope }: OpenedSource,
): Promise<BackupJob> {
  const { seriesFor } = await import('./backup-target.js')
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
    actor,
    host: host.hostname,
    toolVersion: host.version,
    now: host.now,
    progress: output,
    signal,
    concurrency: settings.value(catalogue.concurrency),
  }
}

function overridesOf({ allowEmpty, allowShrink }: Flags): string[] {
  return [
    ...(allowEmpty === true ? ['--allow-empty'] : []),
    ...(allowShrink === true ? ['--allow-shrink'] : []),
  ]
}
