import { Command } from 'commander'

import { durationOf } from '../config/values.js'
import { ExitCode } from '../core/exit-code.js'
import { withAudit } from './audit.js'
import { existingDirectory, quarantineOf } from './cleanup-target.js'
import { act, group } from './command.js'
import type { Launcher } from './context.js'
import { parsed } from './parse.js'

const WHERE = [
  '--quarantine-dir <folder>',
  'the quarantine (default: .chroma-ops/quarantine in the directory)',
] as const

export function cleanupQuarantineCommand(launcher: Launcher): Command {
  return group('quarantine', 'what cleanups have put aside', listCommand(launcher), emptyCommand(launcher))
}

function listCommand(launcher: Launcher): Command {
  const command = new Command('list').description('list the cleanups that can be undone').option(...WHERE)
  return act(command, launcher, async (context) => {
    const directory = await existingDirectory(context)
    const quarantine = await quarantineOf(
      context,
      directory,
      command.opts<{ quarantineDir?: string }>().quarantineDir,
    )
    const [{ listQuarantine }, { runTable }] = await Promise.all([
      import('../cleanup/quarantine.js'),
      import('./describe-quarantine.js'),
    ])
    const runs = await listQuarantine(quarantine)
    context.output.result({ directory, quarantine, runs }, () =>
      runs.length === 0 ? `nothing is in ${quarantine}` : runTable(runs),
    )
  })
}

interface EmptyFlags {
  readonly quarantineDir?: string
  readonly olderThan?: number
  readonly apply?: boolean
}

function emptyCommand(launcher: Launcher): Command {
  const command = new Command('empty')
    .description('delete what cleanups have put aside; tells what it would delete unless --apply is given')
    .addOption(parsed('--older-than <duration>', 'only cleanups of before then, such as 30d', durationOf))
    .option(...WHERE)
    .option('--apply', 'delete; there is no way back')
  return act(command, launcher, async (context) => {
    const { olderThan, apply = false, quarantineDir } = command.opts<EmptyFlags>()
    const directory = await existingDirectory(context)
    const quarantine = await quarantineOf(context, directory, quarantineDir)
    if (apply) context.changes('cleanup quarantine empty')
    const [{ emptyQuarantine }, { describeEmptied }] = await Promise.all([
      import('../cleanup/quarantine.js'),
      import('./describe-quarantine.js'),
    ])
    const { host, signal } = context
    const work = () =>
      emptyQuarantine({ directory, quarantine, olderThanMs: olderThan, now: host.now, apply, signal })
    const audited = {
      repository: null,
      command: 'cleanup quarantine empty',
      details: { directory, quarantine },
    }
    const result = apply
      ? await withAudit(context, audited, work, ({ runs }) => ({ runs: runs.map(({ run }) => run) }))
      : await work()
    if (result.errors.length > 0) context.finish(ExitCode.findings)
    context.output.result({ directory, quarantine, ...result }, describeEmptied)
  })
}
