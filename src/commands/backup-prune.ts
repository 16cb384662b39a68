import { Command } from 'commander'

import type { PruneJob, PruneResult } from '../backup/prune-job.js'
import type { Repository } from '../backup/repository.js'
import { ExitCode } from '../core/exit-code.js'
import { UsageError } from '../core/errors.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { chosenSeries, openOwnRepository } from './repository-command.js'
import { addRetentionFlags, retentionOf, type RetentionFlags } from './retention-flags.js'

interface Flags extends RetentionFlags {
  readonly series?: string
  readonly purgeNow?: boolean
  readonly singleWriter?: boolean
  readonly allowShrink?: boolean
  readonly apply?: boolean
}

export function backupPruneCommand(launcher: Launcher): Command {
  const command = new Command('prune')
    .description('remove backups that no rule keeps, and delete what nobody needs any more')
    .argument('[backups...]', 'exactly these, by their ids or the beginnings of them, in place of the rules')
  addRetentionFlags(command)
    .option('--series <name>', 'the rules are for this series (all: for each of them by itself)')
    .option('--purge-now', 'purge what is removed, now or earlier, without a grace; it cannot be put back')
    .option('--allow-shrink', 'remove although the newest backup lost more than half of the records')
    .option('--single-writer', 'for a store without conditional writes: nothing else prunes it now')
    .option('--apply', 'do it')
  return act(command, launcher, async (context, ...words) => {
    await prune(
      context,
      words.flatMap((word) => word ?? []),
      command.opts<Flags>(),
    )
  })
}

async function prune(context: CommandContext, words: readonly string[], flags: Flags): Promise<void> {
  const { apply = false, singleWriter = false } = flags
  if (apply) context.changes('backup prune')
  const repository = await openOwnRepository(context)
  const job = await pruneJob(context, repository, words, flags)
  const { actor, host } = context
  const result = apply
    ? await withAudit(
        context,
        { repository, command: 'backup prune', details: detailsOf(job, flags) },
        async () => {
          const { applyPrune } = await import('../backup/prune-repository.js')
          return applyPrune({ ...job, actor, host: host.hostname, singleWriter })
        },
        summaryOf,
      )
    : await (await import('../backup/plan-prune.js')).planPrune(job)
  await tell(context, repository, result)
}

async function tell(context: CommandContext, repository: Repository, result: PruneResult): Promise<void> {
  if (result.obstacles.length > 0) context.finish(ExitCode.integrity)
  // A plan that would be refused ends as the prune would.
  if (result.refusals.length > 0) context.finish(ExitCode.refused)
  const [{ completeCommands }, { describePrune }] = await Promise.all([
    import('./complete-commands.js'),
    import('./describe-prune.js'),
  ])
  const complete = (hint: string) => completeCommands(hint, context.settings)
  context.output.result(
    {
      repository: repository.store.displayUrl,
      ...result,
      obstacles: result.obstacles.map((each) => ({ ...each, hint: complete(each.hint) })),
      refusals: result.refusals.map((each) => ({ ...each, hint: each.hint && complete(each.hint) })),
    },
    describePrune,
  )
}

async function pruneJob(
  context: CommandContext,
  repository: Repository,
  words: readonly string[],
  flags: Flags,
): Promise<PruneJob> {
  const { host, output, settings, signal } = context
  const named = words.length === 0 ? null : await idsOf(context, repository, words)
  if (named !== null && flags.series !== undefined)
    throw new UsageError('--series is for the rules; a backup that is named belongs to one already')
  return {
    repository,
    ...retentionOf(flags, settings),
    series: named === null ? await seriesOf(context, repository, flags) : null,
    named,
    purgeNow: flags.purgeNow ?? false,
    allowShrink: flags.allowShrink ?? false,
    now: host.now,
    progress: output,
    signal,
  }
}

/** Of backups in the list and in the trash; only ids: `latest` would be another one the next time. */
async function idsOf(
  { signal }: CommandContext,
  repository: Repository,
  words: readonly string[],
): Promise<readonly string[]> {
  const [{ listBackupIds }, { listRemoved }, { matchId }] = await Promise.all([
    import('../backup/list-backups.js'),
    import('../backup/undelete-backup.js'),
    import('../backup/resolve-backup.js'),
  ])
  const removed = (await listRemoved(repository, signal)).map(({ id }) => id)
  const ids = [...(await listBackupIds(repository, signal)), ...removed]
  return words.map((word) => matchId(repository, ids, word))
}

/** Null: each by itself. */
async function seriesOf(
  context: CommandContext,
  repository: Repository,
  { series }: Flags,
): Promise<string | null> {
  if (series === 'all') return null
  const chosen = chosenSeries(context, series)
  if (chosen !== undefined) return chosen
  const [{ listBackupIds }, { refuseSeveralSeries }, { parseBackupId }] = await Promise.all([
    import('../backup/list-backups.js'),
    import('../backup/resolve-backup.js'),
    import('../backup/backup-id.js'),
  ])
  const ids = await listBackupIds(repository, context.signal)
  refuseSeveralSeries([...ids].map((id) => parseBackupId(id)?.series ?? ''))
  return null
}

function detailsOf(
  { repository, policy, graceMs, series, named, purgeNow }: PruneJob,
  { allowShrink = false, singleWriter = false }: Flags,
) {
  const overrides = [
    ...(purgeNow ? ['--purge-now'] : []),
    ...(allowShrink ? ['--allow-shrink'] : []),
    ...(singleWriter ? ['--single-writer'] : []),
  ]
  return { repository: repository.store.displayUrl, policy, graceMs, series, named, overrides }
}

function summaryOf({ backups, trash, freed }: PruneResult): Readonly<Record<string, unknown>> {
  return {
    removed: backups.flatMap(({ id, decision }) => (decision === 'remove' ? [id] : [])),
    purged: trash.flatMap(({ id, decision }) => (decision === 'purge' ? [id] : [])),
    freed,
  }
}
