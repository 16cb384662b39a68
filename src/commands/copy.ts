import { Command, Option } from 'commander'

import { catalogue } from '../config/catalogue.js'
import { wholeNumber } from '../config/values.js'
import { UsageError } from '../core/errors.js'
import type { CopyJob } from '../transfer/copy-job.js'
import type { RestoreMode } from '../transfer/restore-plan.js'
import type { LimitsKind } from '../transfer/target-limits.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { addEndFlags, copyEnds, refuseUnnamedTarget } from './copy-ends.js'
import { naming } from './copy-hints.js'
import { pairsOf, parsed, repeated } from './parse.js'

interface Flags {
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly rename?: readonly string[]
  readonly mode?: RestoreMode
  readonly dropOld?: boolean
  readonly resume?: boolean
  readonly sync?: boolean
  readonly delete?: boolean
  readonly allowShrink?: boolean
  readonly maxPasses?: number
  readonly limits?: LimitsKind
  readonly dryRun?: boolean
}

const MODES: readonly RestoreMode[] = ['create', 'replace', 'missing', 'overwrite']
const LIMITS: readonly LimitsKind[] = ['local', 'cloud']

export function copyCommand(launcher: Launcher): Command {
  const command = new Command('copy')
    .description(
      'copy collections between servers, tenants, databases and Chroma Cloud, compared record by record',
    )
    .addOption(repeated('--collection <pattern>', 'only these: [[tenant/]database/]name with * and ?'))
    .addOption(repeated('--exclude <pattern>', 'all but these'))
    .addOption(repeated('--rename <a=b>', 'copy collection a under the name b'))
    .addOption(
      new Option(
        '--mode <mode>',
        'where the name exists: create refuses, replace swaps, missing adds records, overwrite makes equal (default: create)',
      ).choices(MODES),
    )
    .option('--drop-old', 'with --mode replace: delete what was replaced')
    .option('--resume', 'collections that exist and equal the source count as copied by an earlier run')
    .option('--sync', 'bring collections up to date that an earlier run has copied')
    .option('--delete', 'with --sync: delete records that the source does not have')
    .option('--allow-shrink', 'delete records though the source has less than half of the target')
    .addOption(
      parsed(
        '--max-passes <n>',
        'comparisons of source and target, while they differ (default: 5)',
        wholeNumber(1, 1000),
      ),
    )
    .addOption(
      new Option(
        '--limits <kind>',
        "with --dry-run: what records are checked against (default: by the target's address)",
      ).choices(LIMITS),
    )
    .option('--dry-run', 'tell what would be copied, and what would not fit')
  return act(addEndFlags(command), launcher, async (context) => {
    await copy(context, command)
  })
}

async function copy(context: CommandContext, command: Command): Promise<void> {
  const flags = command.opts<Flags>()
  checkFlags(flags)
  const dryRun = flags.dryRun === true
  if (!dryRun) context.changes('copy')
  const { output, signal, host } = context
  const rename = pairsOf('--rename', flags.rename ?? [])
  const ends = await copyEnds(context, command)
  if (!dryRun) refuseUnnamedTarget(ends)
  const [{ copyCollections }, { planCopy }, texts] = await Promise.all([
    import('../transfer/copy-collections.js'),
    import('../transfer/plan-copy.js'),
    import('./describe-copy.js'),
  ])
  const job: CopyJob = {
    from: await naming(['from'], () => ends.from.openServer()),
    to: await naming(['to'], () => ends.to.openServer()),
    scope: ends.scope,
    tempDir: await context.tempDir(),
    collections: flags.collection,
    exclude: flags.exclude,
    rename,
    targetTenant: ends.targetTenant,
    targetDatabase: ends.targetDatabase,
    mode: flags.mode,
    dropOld: flags.dropOld,
    resume: flags.resume,
    sync: flags.sync,
    deleteExtra: flags.delete,
    allowShrink: flags.allowShrink,
    maxPasses: flags.maxPasses,
    limits: flags.limits,
    stateDir: (await context.directories.state()) ?? undefined,
    concurrency: context.settings.value(catalogue.concurrency),
    now: host.now,
    progress: output,
    signal,
  }
  if (dryRun) {
    const plan = await naming(['from', 'to'], () => planCopy(job))
    context.finish(plan.exitCode)
    output.result({ dryRun: true, ...plan }, texts.describeCopyPlan)
    return
  }
  const summary = await withAudit(
    context,
    { repository: null, command: 'copy', details: detailsOf(job) },
    () => naming(['from', 'to'], () => copyCollections(job)),
    ({ records, written, deleted, equal }) => ({ records, written, deleted, equal }),
  )
  context.finish(summary.exitCode)
  output.result(summary, texts.describeCopy)
}

function checkFlags({ mode, dropOld, sync, delete: deletes, limits, dryRun }: Flags): void {
  if (dropOld === true && mode !== 'replace') throw new UsageError('--drop-old goes with --mode replace only')
  if (deletes === true && sync !== true) throw new UsageError('--delete goes with --sync only')
  if (deletes === true && mode === 'missing')
    throw new UsageError('--mode missing only adds records, and --delete deletes them')
  if (sync === true && mode === 'replace')
    throw new UsageError('--sync changes collections where they are, and --mode replace swaps them')
  if (limits !== undefined && dryRun !== true) throw new UsageError('--limits goes with --dry-run only')
}

function detailsOf(job: CopyJob) {
  const { mode, collections, exclude, rename, dropOld, resume, sync, deleteExtra, allowShrink } = job
  return {
    from: job.from.transport.displayUrl,
    to: job.to.transport.displayUrl,
    scope: job.scope,
    targetTenant: job.targetTenant,
    targetDatabase: job.targetDatabase,
    rename: Object.fromEntries(rename ?? []),
    ...{ mode, collections, exclude, dropOld, resume, sync, deleteExtra, allowShrink },
  }
}
