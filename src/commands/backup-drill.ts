import { Command } from 'commander'

import { wholeNumber } from '../config/values.js'
import { cacheFolder } from './cache-folder.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { parsed, repeated } from './parse.js'
import { recordVerification } from './record-verification.js'
import { chooseBackup, openOwnRepository } from './repository-command.js'

interface Flags {
  readonly series?: string
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly allowPartial?: boolean
  readonly probes?: number
}

export function backupDrillCommand(launcher: Launcher): Command {
  const command = new Command('drill')
    .description('restore a backup into a temporary server, compare and query it, and discard it')
    .argument('[backup]', 'an id or its beginning, latest, latest~1, or a time (default: latest)')
    .option('--series <name>', 'choose among the backups of a series')
    .addOption(repeated('--collection <pattern>', 'only these: [[tenant/]database/]name with * and ?'))
    .addOption(repeated('--exclude <pattern>', 'all but these'))
    .option('--allow-partial', 'try out what there is of a partial backup')
    .addOption(
      parsed('--probes <n>', 'queries sent to each collection (default: 10)', wholeNumber(0, 100_000)),
    )
  return act(command, launcher, async (context, selector = 'latest') => {
    const flags = command.opts<Flags>()
    const { output, signal, host } = context
    const repository = await openOwnRepository(context)
    const [{ drillBackup }, { describeDrill }] = await Promise.all([
      import('../backup/drill-backup.js'),
      import('./describe-drill.js'),
    ])
    const { head } = await chooseBackup(context, repository, selector, flags)
    const tempDir = await context.tempDir()
    const report = await drillBackup({
      repository,
      head,
      collections: flags.collection,
      exclude: flags.exclude,
      allowPartial: flags.allowPartial,
      probes: flags.probes,
      tempDir,
      cacheDir: await cacheFolder(context, tempDir),
      now: host.now,
      progress: output,
      signal,
    })
    const isWhole =
      flags.collection === undefined && flags.exclude === undefined && head.status === 'complete'
    if (isWhole && report.status === 'ok')
      await recordVerification(context, repository, head.id, 'drill', report.recoveryMs)
    context.finish(report.exitCode)
    output.result({ repository: repository.store.displayUrl, ...report }, describeDrill)
  })
}
