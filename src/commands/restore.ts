import { Command, Option } from 'commander'

import type { RestoreJob } from '../backup/restore-job.js'
import { catalogue } from '../config/catalogue.js'
import { isCloud } from '../config/cloud.js'
import { sourceText } from '../config/setting.js'
import type { Settings } from '../config/settings.js'
import { GuardError, UsageError } from '../core/errors.js'
import type { RestoreMode } from '../transfer/restore-plan.js'
import { ageIdentityOption, repositoryFor, type AgeIdentityFlags } from './archive-repository.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { pairsOf, repeated } from './parse.js'
import { chooseBackup } from './repository-command.js'
import { targetDirectory } from './target.js'

interface Flags extends AgeIdentityFlags {
  readonly series?: string
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly rename?: readonly string[]
  readonly targetTenant?: string
  readonly targetDatabase?: string
  readonly mode: RestoreMode
  readonly dropOld?: boolean
  readonly allowPartial?: boolean
  readonly includeErased?: boolean
  readonly compare: boolean
  readonly serverStopped?: boolean
  readonly inPlace?: boolean
  readonly dryRun?: boolean
}

const MODES: readonly RestoreMode[] = ['create', 'replace', 'missing', 'overwrite']

export function restoreCommand(launcher: Launcher): Command {
  const command = new Command('restore')
    .description('bring a backup back to a server, compared record by record, or into a data directory')
    .argument('<backup>', 'an id or its beginning, latest, latest~1, a time, or an archive (- for stdin)')
    .addOption(ageIdentityOption())
    .option('--series <name>', 'choose among the backups of a series')
    .addOption(repeated('--collection <pattern>', 'only these: [[tenant/]database/]name with * and ?'))
    .addOption(repeated('--exclude <pattern>', 'all but these'))
    .addOption(repeated('--rename <a=b>', 'restore collection a under the name b'))
    .option('--target-tenant <name>', 'the tenant to restore into (default: where each came from)')
    .option('--target-database <name>', 'the database to restore into (default: where each came from)')
    .addOption(
      new Option(
        '--mode <mode>',
        'where the name exists: create refuses, replace swaps, missing adds records, overwrite makes equal',
      )
        .choices(MODES)
        .default('create'),
    )
    .option('--drop-old', 'with --mode replace: delete what was replaced')
    .option('--allow-partial', 'restore what there is of a partial backup')
    .option('--include-erased', 'bring back records that were erased since the backup')
    .option('--no-compare', 'give the collections their names without comparing them with the backup')
    .option('--server-stopped', 'with --path: no server works on the directory, where that cannot be seen')
    .option('--in-place', 'allow a destination that was not named on the command line')
    .option('--dry-run', 'tell what would be restored')
  return act(command, launcher, async (context, selector = '') => {
    await restore(context, selector, command.opts<Flags>())
  })
}

async function restore(context: CommandContext, selector: string, flags: Flags): Promise<void> {
  if (flags.dropOld === true && flags.mode !== 'replace') {
    throw new UsageError('--drop-old goes with --mode replace only')
  }
  if (flags.dryRun !== true) context.changes('restore')
  const { output, signal, host } = context
  const rename = pairsOf('--rename', flags.rename ?? [])
  const directory = targetDirectory(context)
  if (directory !== null) {
    const { restoreIntoDirectory } = await import('./restore-directory.js')
    await restoreIntoDirectory(context, selector, { ...flags, rename }, directory)
    return
  }
  if (flags.serverStopped === true) throw new UsageError('--server-stopped goes with --path only')
  if (flags.dryRun !== true) refuseUnnamedDestination(context.settings, flags)
  const { repository, backup } = await repositoryFor(context, selector, flags)
  const [{ planRestore, restoreBackup }, texts] = await Promise.all([
    import('../backup/restore-backup.js'),
    import('./describe-restore.js'),
  ])
  const { head, warnings } = await chooseBackup(context, repository, backup, flags)
  const api = await context.openServer()
  const job: RestoreJob = {
    repository,
    head,
    api,
    collections: flags.collection,
    exclude: flags.exclude,
    rename,
    targetTenant: flags.targetTenant,
    targetDatabase: flags.targetDatabase,
    mode: flags.mode,
    dropOld: flags.dropOld,
    allowPartial: flags.allowPartial,
    includeErased: flags.includeErased,
    compare: flags.compare,
    stateDir: (await context.directories.state()) ?? undefined,
    tempDir: head.type === 'physical' ? await context.tempDir() : undefined,
    concurrency: context.settings.value(catalogue.concurrency),
    now: host.now,
    progress: output,
    signal,
  }
  if (flags.dryRun === true) {
    const plan = await planRestore(job)
    context.finish(texts.restorePlanExitCode(plan))
    const allWarnings = [...warnings, ...plan.warnings]
    output.result({ dryRun: true, ...plan, warnings: allWarnings }, texts.describeRestorePlan)
    return
  }
  api.transport.useBatchRetries()
  const { mode, collection, exclude, dropOld, allowPartial, includeErased, compare, inPlace } = flags
  const target = api.transport.displayUrl
  const choices = { mode, collection, exclude, dropOld, allowPartial, includeErased, compare, inPlace }
  const details = { backup: head.id, target, ...choices }
  const { whileRestoring } = await import('../backup/restore-session.js')
  const summary = await withAudit(
    context,
    { repository, command: 'restore', details },
    () => whileRestoring({ ...job, actor: context.actor, host: host.hostname }, () => restoreBackup(job)),
    ({ records, written, equal }) => ({ records, written, equal }),
  )
  context.finish(summary.exitCode)
  output.result({ ...summary, warnings: [...warnings, ...summary.warnings] }, texts.describeRestore)
}

/** A profile that happens to be active must not decide what is written over. */
function refuseUnnamedDestination(settings: Settings, { inPlace }: Flags): void {
  const source = settings.source(isCloud(settings) ? catalogue.cloud : catalogue.url)
  if (source.from === 'flag' || source.from === 'default' || inPlace === true) return
  throw new GuardError(
    'DESTINATION_NOT_NAMED',
    `the destination of a restore is named on the command line, not by ${sourceText(source)}`,
    { hint: 'give --url, or --in-place to take it from there' },
  )
}
