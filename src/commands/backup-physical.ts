import type { PhysicalBackupJob } from '../backup/physical-job.js'
import type { Repository } from '../backup/repository.js'
import { catalogue } from '../config/catalogue.js'
import type { Holder } from '../datadir/holder.js'
import { bytes, duration, plural } from '../output/format.js'
import { withAudit } from './audit.js'
import { seriesFor } from './backup-target.js'
import type { CommandContext } from './context.js'
import type { Degradations } from './degradations.js'
import { inTurn, type IfRunning } from './if-running.js'
import { pairsOf } from './parse.js'
import { shownHead } from './repository-command.js'
import { restoreIntoDirectoryLine } from './restore-command-line.js'

export interface PhysicalFlags {
  readonly series?: string
  readonly tag?: readonly string[]
  readonly allowEmpty?: boolean
  readonly allowShrink?: boolean
  readonly maxStall?: number
  readonly ifRunning: IfRunning
  readonly resume: boolean
}

/** Backs up the files of a data directory. */
export async function backUpFiles(
  context: CommandContext,
  flags: PhysicalFlags,
  place: { readonly repository: Repository; readonly directory: string; readonly degraded: Degradations },
): Promise<void> {
  const { output, settings } = context
  const { repository, directory, degraded } = place
  const job = await physicalJob(context, flags, repository, directory)
  const { createPhysicalBackup } = await import('../backup/create-physical-backup.js')
  const overrides = [
    ...(job.allowEmpty ? ['--allow-empty'] : []),
    ...(job.allowShrink ? ['--allow-shrink'] : []),
  ]
  const details = {
    repository: repository.store.displayUrl,
    target: directory,
    series: job.series,
    type: 'physical',
    overrides,
    degraded: degraded.list.map(({ code }) => code),
  }
  const turn = { repository, series: job.series, ifRunning: flags.ifRunning }
  const summary = await inTurn(context, turn, () =>
    withAudit(
      context,
      { repository, command: 'backup create', details },
      () => createPhysicalBackup(job),
      ({ head }) => ({ backup: head.id, status: head.status }),
    ),
  )
  if (summary === null) return
  const { resumed } = summary
  await degraded.finish(summary.exitCode, { id: summary.head.id, pins: resumed?.runs ?? [] })
  const { describeHead, describeResumed, shownCollection } = await import('./describe-backup.js')
  const restoreCommand = restoreIntoDirectoryLine(summary.head, directory, settings)
  const { head, collections, files, newBlockBytes, leftOut, lockedMs, problems } = summary
  const result = {
    repository: repository.store.displayUrl,
    backup: shownHead(head),
    collections: collections.map(shownCollection),
    files,
    newBlockBytes,
    leftOut,
    lockedMs,
    problems,
    resumed,
    degraded: degraded.list,
    restoreCommand,
  }
  output.result(result, (shown, style) =>
    [
      describeHead(shown.backup, shown.collections, style),
      '',
      `${files} files, ${bytes(newBlockBytes)} of blocks that were not stored yet`,
      head.consistency.kind === 'locked'
        ? `writers waited ${duration(lockedMs)} at most; readers never`
        : 'nobody worked on the directory',
      ...describeResumed(resumed),
      ...degraded.describe(style),
      'restore it into a new directory, or with --mode replace in place of the old one:',
      `  ${restoreCommand}`,
    ].join('\n'),
  )
}

/** Tells what a physical backup would read. Writes nothing. */
export async function planFiles(
  context: CommandContext,
  flags: PhysicalFlags,
  repository: Repository,
  { displayUrl, directory }: { readonly displayUrl: string; readonly directory: string },
): Promise<void> {
  const [{ planPhysicalBackup }, job] = await Promise.all([
    import('../backup/plan-physical-backup.js'),
    physicalJob(context, flags, repository, directory),
  ])
  const plan = await planPhysicalBackup(job)
  context.output.result({ repository: displayUrl, dryRun: true, ...plan }, (shown) =>
    [
      `nothing has been written; a physical backup of ${directory} (series ${shown.series}) would read`,
      `${plural(shown.files, 'file')}, ${bytes(shown.bytes)}; ${holderText(shown.holder)}`,
      ...shown.leftOut.map(({ path: name, what }) => `${name} is a ${what} and would stay out`),
      shown.previous === null
        ? 'there is no earlier one of this series'
        : `blocks that ${shown.previous.id} has would not be stored again`,
    ].join('\n'),
  )
}

function holderText(holder: Holder): string {
  if (holder.state === 'free') return 'nobody works on the directory'
  if (holder.state === 'unknown') return `somebody may work on the directory: ${holder.why}`
  return `process ${holder.by.map(({ pid }) => pid).join(', ')} works on the directory`
}

async function physicalJob(
  context: CommandContext,
  flags: PhysicalFlags,
  repository: Repository,
  directory: string,
): Promise<PhysicalBackupJob> {
  const { settings, host, signal, output, actor } = context
  return {
    repository,
    directory,
    tempDir: await context.tempDir(),
    series: seriesFor(context, flags.series, directory),
    tags: Object.fromEntries(pairsOf('--tag', flags.tag ?? [])),
    allowEmpty: flags.allowEmpty ?? false,
    allowShrink: flags.allowShrink ?? false,
    maxStallMs: flags.maxStall,
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
