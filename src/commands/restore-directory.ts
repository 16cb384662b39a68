import type { RestoreDirectoryJob } from '../backup/restore-directory.js'
import { catalogue } from '../config/catalogue.js'
import { sourceText } from '../config/setting.js'
import { GuardError, UsageError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { repositoryFor, type AgeIdentityFlags } from './archive-repository.js'
import { withAudit } from './audit.js'
import { cacheFolder } from './cache-folder.js'
import type { CommandContext } from './context.js'
import { chooseBackup } from './repository-command.js'

export interface DirectoryFlags extends AgeIdentityFlags {
  readonly series?: string
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly rename?: ReadonlyMap<string, string>
  readonly targetTenant?: string
  readonly targetDatabase?: string
  readonly mode: string
  readonly dropOld?: boolean
  readonly allowPartial?: boolean
  readonly includeErased?: boolean
  readonly serverStopped?: boolean
  readonly inPlace?: boolean
  readonly dryRun?: boolean
}

/** `restore … --path DIR`. */
export async function restoreIntoDirectory(
  context: CommandContext,
  selector: string,
  flags: DirectoryFlags,
  directory: string,
): Promise<void> {
  const { output } = context
  if (flags.dryRun !== true) refuseUnnamedDirectory(context, flags)
  const { repository, backup } = await repositoryFor(context, selector, flags)
  const { head, warnings } = await chooseBackup(context, repository, backup, flags)
  const job: RestoreDirectoryJob = {
    repository,
    head,
    directory,
    mode: modeOf(flags.mode),
    dropOld: flags.dropOld ?? false,
    allowPartial: flags.allowPartial ?? false,
    selection: selectionOf(flags, head.type === 'physical'),
    serverStopped: flags.serverStopped ?? false,
    cacheDir: await cacheFolder(context, await context.tempDir()),
    run: context.host.runId,
    now: context.host.now,
    progress: output,
    signal: context.signal,
  }
  const [{ planRestoreDirectory, restoreDirectory }, texts] = await Promise.all([
    import('../backup/restore-directory.js'),
    import('./describe-restore-directory.js'),
  ])
  if (flags.dryRun === true) {
    const plan = await planRestoreDirectory(job)
    context.finish(plan.refusals.length === 0 ? ExitCode.ok : ExitCode.refused)
    output.result({ dryRun: true, ...plan, warnings }, texts.describeDirectoryPlan)
    return
  }
  const { mode, dropOld, allowPartial, serverStopped, selection } = job
  const details = {
    backup: head.id,
    target: directory,
    mode,
    dropOld,
    allowPartial,
    serverStopped,
    ...selection,
  }
  const { whileRestoring } = await import('../backup/restore-session.js')
  const restored = await withAudit(
    context,
    { repository, command: 'restore', details },
    () =>
      whileRestoring({ ...job, actor: context.actor, host: context.host.hostname }, () =>
        restoreDirectory(job),
      ),
    ({ records, keptAs }) => ({ records, keptAs }),
  )
  output.result({ ...restored, warnings }, texts.describeDirectoryRestored)
}

function modeOf(mode: string): 'create' | 'replace' {
  if (mode === 'create' || mode === 'replace') return mode
  throw new UsageError(`--mode ${mode} is for servers; into a directory, a restore creates or replaces`)
}

function selectionOf(flags: DirectoryFlags, isPhysical: boolean): RestoreDirectoryJob['selection'] {
  const { collection, exclude, rename, targetTenant, targetDatabase, includeErased } = flags
  const chosen = [collection, exclude, targetTenant, targetDatabase].some((flag) => flag !== undefined)
  if (isPhysical && (chosen || (rename?.size ?? 0) > 0))
    throw new UsageError('a physical backup is restored as a whole', {
      hint: 'restore it into a server (--url) to choose and rename collections',
    })
  return { collections: collection, exclude, rename, targetTenant, targetDatabase, includeErased }
}

/** A profile that happens to be active must not decide what is replaced. */
function refuseUnnamedDirectory({ settings }: CommandContext, { inPlace }: DirectoryFlags): void {
  const source = settings.source(catalogue.dataPath)
  if (source.from === 'flag' || inPlace === true) return
  throw new GuardError(
    'DESTINATION_NOT_NAMED',
    `the destination of a restore is named on the command line, not by ${sourceText(source)}`,
    { hint: 'give --path, or --in-place to take it from there' },
  )
}
