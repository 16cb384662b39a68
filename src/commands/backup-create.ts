import { Command, Option } from 'commander'

import type { BackupJob } from '../backup/backup-job.js'
import type { Repository } from '../backup/repository.js'
import type { ChromaApi } from '../chroma/api.js'
import { catalogue } from '../config/catalogue.js'
import { OpsError } from '../core/errors.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { pairsOf, repeated } from './parse.js'
import { openOwnRepository, shownHead } from './repository-command.js'
import { restoreCommandLine } from './restore-command-line.js'

interface Flags {
  readonly type: 'auto' | 'full'
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly series?: string
  readonly tag?: readonly string[]
  readonly allowEmpty?: boolean
  readonly allowShrink?: boolean
  readonly dryRun?: boolean
  readonly init?: boolean
}

export function backupCreateCommand(launcher: Launcher): Command {
  const command = new Command('create')
    .description('back up a server (also: chroma-ops backup)')
    .addOption(
      new Option('--type <type>', 'kind of backup: auto chooses').choices(['auto', 'full']).default('auto'),
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
  const repository = flags.init === true ? await initialised(context) : await openOwnRepository(context)
  const api = await context.openServer()
  const job = await backupJob(context, flags, repository, api)
  const { createBackup } = await import('../backup/create-backup.js')
  const details = {
    repository: repository.store.displayUrl,
    target: api.transport.displayUrl,
    series: job.series,
    overrides: overridesOf(flags),
  }
  const summary = await withAudit(
    context,
    { store: repository.store, command: 'backup create', details },
    () => createBackup(job),
    ({ head }) => ({ backup: head.id, status: head.status }),
  )
  context.finish(summary.exitCode)
  const { describeHead, shownCollection } = await import('./describe-backup.js')
  const restoreCommand = restoreCommandLine(summary.head, api.transport.displayUrl, settings)
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
  const { repository, displayUrl } = await repositoryToPlanFor(context, flags.init === true)
  const api = await context.openServer()
  const job = await backupJob(context, flags, repository, api)
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
  const { initRepository, openRepository } = await import('../backup/repository.js')
  try {
    return { repository: await openRepository({ store, signal: context.signal }), displayUrl }
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
  const { initRepository } = await import('../backup/repository.js')
  const { repository, created } = await initRepository({
    store,
    now: context.host.now(),
    signal: context.signal,
  })
  if (created) context.output.note(`created repository ${repository.id} at ${store.displayUrl}`)
  return repository
}

async function backupJob(
  context: CommandContext,
  flags: Flags,
  repository: Repository,
  api: ChromaApi,
): Promise<BackupJob> {
  const { settings, host, signal, output, actor } = context
  const [{ ServerSource }, { checkSeries, seriesOfUrl }] = await Promise.all([
    import('../chroma/server-source.js'),
    import('../backup/series.js'),
  ])
  const url = api.transport.displayUrl
  const series =
    flags.series ?? settings.value(catalogue.series) ?? seriesOfUrl(settings.file?.profile ?? url)
  checkSeries(series)
  const tags = Object.fromEntries(pairsOf('--tag', flags.tag ?? []))
  const { tenants, databases } = await context.scope()
  const concurrency = settings.value(catalogue.concurrency)
  const source = new ServerSource({
    api,
    scope: { tenants, databases },
    tempDir: await context.tempDir(),
    concurrency,
  })
  context.onClose(() => source.close())
  const { claimedVersion, atLeast, evidence } = await api.fingerprint(signal)
  api.transport.useBatchRetries()
  return {
    repository,
    source,
    target: { url, fingerprint: { claimedVersion, atLeast, evidence: evidence.join('; ') } },
    scope: { tenants, databases: databases ?? null },
    series,
    tags,
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
    concurrency,
  }
}

function overridesOf({ allowEmpty, allowShrink }: Flags): string[] {
  return [
    ...(allowEmpty === true ? ['--allow-empty'] : []),
    ...(allowShrink === true ? ['--allow-shrink'] : []),
  ]
}
