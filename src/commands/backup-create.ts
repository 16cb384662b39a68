import { Command, Option } from 'commander'

import type { Repository } from '../backup/repository.js'
import { durationOf } from '../config/values.js'
import { OpsError, UsageError } from '../core/errors.js'
import type { BlobStore } from '../storage/blob-store.js'
import type { RecordsFlags } from './backup-records.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { ifRunningOption } from './if-running.js'
import { parsed, repeated } from './parse.js'
import type { Degradations } from './degradations.js'
import { targetDirectory } from './target.js'

interface Flags extends RecordsFlags {
  readonly maxStall?: number
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
    .option('--no-resume', 'send everything anew, also what a killed run has stored')
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
  // Told before anything is contacted.
  physicalDirectory(context, flags)
  const { inSpoolWhenAway } = await import('./spool.js')
  const { Degradations } = await import('./degradations.js')
  const { openWithKey } = await import('./repository-access.js')
  const degraded = new Degradations(context)
  await inSpoolWhenAway({
    context,
    store: await context.openRepositoryStore(),
    degraded,
    open: (store) => (flags.init === true ? initialised(context, store) : openWithKey(context, store)),
    work: (repository) => inPlaceOfServer(context, flags, repository, degraded),
  })
}

async function backUp(
  context: CommandContext,
  flags: Flags,
  repository: Repository,
  degraded: Degradations,
): Promise<void> {
  const directory = physicalDirectory(context, flags)
  if (directory !== null) {
    const { backUpFiles } = await import('./backup-physical.js')
    await backUpFiles(context, flags, { repository, directory, degraded })
    return
  }
  const [{ openSource }, { backUpRecords }] = await Promise.all([
    import('./backup-target.js'),
    import('./backup-records.js'),
  ])
  await backUpRecords(context, flags, { repository, degraded, opened: await openSource(context) })
}

/** With `--fallback-path`, the files of a server that does not answer. */
async function inPlaceOfServer(
  context: CommandContext,
  flags: Flags,
  repository: Repository,
  degraded: Degradations,
): Promise<void> {
  const { fallbackFor, tellServerAway } = await import('./fallback.js')
  const fallback = fallbackFor(context)
  if (fallback === null) return backUp(context, flags, repository, degraded)
  try {
    await backUp(context, flags, repository, degraded)
  } catch (error) {
    const { series, tag } = tellServerAway(context, { error, fallback, degraded, flags })
    const own = { ...flags, series, tag }
    if (isAboutFiles(flags)) {
      const { backUpFiles } = await import('./backup-physical.js')
      await backUpFiles(context, own, { repository, directory: fallback, degraded })
      return
    }
    const [{ openDirectorySource }, { backUpRecords }] = await Promise.all([
      import('./backup-target.js'),
      import('./backup-records.js'),
    ])
    const opened = await openDirectorySource(context, fallback)
    await backUpRecords(context, own, { repository, degraded, opened })
  }
}

async function plan(context: CommandContext, flags: Flags): Promise<void> {
  const directory = physicalDirectory(context, flags)
  const { repository, displayUrl } = await repositoryToPlanFor(context, flags.init === true)
  if (directory !== null) {
    const { planFiles } = await import('./backup-physical.js')
    await planFiles(context, flags, repository, { displayUrl, directory })
    return
  }
  const [{ openSource }, { backupJob }] = await Promise.all([
    import('./backup-target.js'),
    import('./backup-records.js'),
  ])
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

async function initialised(context: CommandContext, store: BlobStore): Promise<Repository> {
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

/** Whether a data directory would be backed up by its files. */
function isAboutFiles({ type, collection, exclude }: Flags): boolean {
  return type === 'physical' || (type === 'auto' && collection === undefined && exclude === undefined)
}
