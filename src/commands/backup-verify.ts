import { Command, Option } from 'commander'

import type { BackupHead } from '../backup/manifest.js'
import type { Repository } from '../backup/repository.js'
import { catalogue } from '../config/catalogue.js'
import { shareOf } from '../config/values.js'
import { ExitCode } from '../core/exit-code.js'
import { UsageError } from '../core/errors.js'
import type { AgainstFlags } from './backup-verify-against.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { parsed, repeated } from './parse.js'
import { recordVerification } from './record-verification.js'
import { chooseBackup, chosenSeries, openOwnRepository } from './repository-command.js'

interface Flags extends AgainstFlags {
  readonly series?: string
  readonly sample?: number
  readonly depth: 'stored' | 'records'
  readonly against?: string
}

export function backupVerifyCommand(launcher: Launcher): Command {
  const command = new Command('verify')
    .description('read backups and compare them with their own checksums; all of them when none is named')
    .argument('[backup]', 'an id or its beginning, latest, latest~1, or a time')
    .option('--series <name>', 'only backups of a series')
    .addOption(parsed('--sample <share>', 'read only a part of the objects, chosen by chance: 5%', shareOf))
    .addOption(
      new Option('--depth <depth>', 'stored: every byte; records: also decode every record')
        .choices(['stored', 'records'])
        .default('stored'),
    )
    .option('--against <url>', 'compare a backup (default: latest) with the records of a server')
    .addOption(repeated('--collection <pattern>', 'with --against: only these collections'))
    .addOption(repeated('--exclude <pattern>', 'with --against: all but these'))
    .addOption(repeated('--rename <a=b>', 'with --against: collection a is called b there'))
    .option('--target-tenant <name>', 'with --against: the tenant that they are in')
    .option('--target-database <name>', 'with --against: the database that they are in')
  return act(command, launcher, async (context, selector) => {
    const flags = command.opts<Flags>()
    if (flags.against === undefined) await verify(context, selector, flags)
    else await compare(context, selector ?? 'latest', flags.against, flags)
  })
}

async function verify(context: CommandContext, selector: string | undefined, flags: Flags): Promise<void> {
  refuseSelection(flags)
  const { output, settings, signal } = context
  const repository = await openOwnRepository(context)
  const [{ verifyBackup }, { describeVerification, unreadableBackup }] = await Promise.all([
    import('../backup/verify-backup.js'),
    import('./describe-verification.js'),
  ])
  const { heads, damaged } = await choose(context, repository, selector, flags)
  const { sample, depth } = flags
  const concurrency = settings.value(catalogue.concurrency)
  const job = { repository, sample, depth, concurrency, progress: output, signal }
  const reports = []
  for (const head of heads) {
    const report = await verifyBackup({ ...job, head })
    reports.push(report)
    if (report.status === 'damaged') await recordVerification(context, repository, head.id, 'damaged')
    else if (report.sample === 1) await recordVerification(context, repository, head.id, depth)
  }
  const unreadable = damaged.map(unreadableBackup)
  const intact = unreadable.length === 0 && reports.every(({ status }) => status === 'ok')
  context.finish(intact ? ExitCode.ok : ExitCode.integrity)
  output.result(
    { repository: repository.store.displayUrl, status: intact ? 'ok' : 'damaged', reports, unreadable },
    describeVerification,
  )
}

async function choose(
  context: CommandContext,
  repository: Repository,
  selector: string | undefined,
  flags: Flags,
): Promise<{
  heads: readonly BackupHead[]
  damaged: readonly { id: string; damaged: Error & { code: string } }[]
}> {
  const series = chosenSeries(context, flags.series)
  const { signal } = context
  if (selector !== undefined) {
    const { head } = await chooseBackup(context, repository, selector, { series: flags.series })
    return { heads: [head], damaged: [] }
  }
  const { listBackups, readableHeads } = await import('../backup/list-backups.js')
  const entries = await listBackups(repository, { series, signal })
  const damaged = entries.flatMap((entry) =>
    entry.damaged === null ? [] : [{ id: entry.id, damaged: entry.damaged }],
  )
  return { heads: readableHeads(entries), damaged }
}

/** One that was not named is the latest: all of them could not equal one server. */
async function compare(context: CommandContext, selector: string, url: string, flags: Flags): Promise<void> {
  if (flags.sample !== undefined) throw new UsageError('--sample and --against exclude each other')
  const repository = await openOwnRepository(context)
  const { compareWithServer } = await import('./backup-verify-against.js')
  const { head } = await chooseBackup(context, repository, selector, flags)
  await compareWithServer(context, { repository, head, url, flags })
}

/** Checksums concern the whole backup. */
function refuseSelection(flags: Flags): void {
  const given = [flags.collection, flags.exclude, flags.rename, flags.targetTenant, flags.targetDatabase]
  if (given.every((flag) => flag === undefined)) return
  throw new UsageError('--collection, --exclude, --rename and --target-… go with --against only')
}
