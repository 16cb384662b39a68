import { Command } from 'commander'

import type { EmptiedQuarantine, QuarantinedRun } from '../cleanup/quarantine.js'
import { durationOf } from '../config/values.js'
import { ExitCode } from '../core/exit-code.js'
import { bytes, duration, grouped, instant, plural, shortBytes } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'
import { withAudit } from './audit.js'
import { namedDirectory, quarantineOf } from './cleanup-target.js'
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
    const directory = namedDirectory(context)
    const quarantine = await quarantineOf(
      context,
      directory,
      command.opts<{ quarantineDir?: string }>().quarantineDir,
    )
    const { listQuarantine } = await import('../cleanup/quarantine.js')
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
    const directory = namedDirectory(context)
    const quarantine = await quarantineOf(context, directory, quarantineDir)
    if (apply) context.changes('cleanup quarantine empty')
    const { emptyQuarantine } = await import('../cleanup/quarantine.js')
    const { host, signal } = context
    const work = () =>
      emptyQuarantine({ directory, quarantine, olderThanMs: olderThan, now: host.now, apply, signal })
    const audited = { store: null, command: 'cleanup quarantine empty', details: { directory, quarantine } }
    const result = apply
      ? await withAudit(context, audited, work, ({ runs }) => ({ runs: runs.map(({ run }) => run) }))
      : await work()
    if (result.errors.length > 0) context.finish(ExitCode.findings)
    context.output.result({ directory, quarantine, ...result }, describeEmptied)
  })
}

function runTable(runs: readonly QuarantinedRun[]): string {
  const rows = runs.map(({ run, created, state, bytes: size, removed }) => [
    run,
    instant(new Date(created)),
    state,
    grouped(removed.reduce((sum, { count }) => sum + count, 0)),
    shortBytes(size),
  ])
  return table(['run', 'created', 'state', 'things', 'size'], rows, ['things', 'size'])
}

function describeEmptied(
  { applied, runs, freedBytes, errors, durationMs }: EmptiedQuarantine,
  style: Style,
): string {
  if (runs.length === 0 && errors.length === 0) return 'nothing to delete'
  const size = bytes(applied ? freedBytes : runs.reduce((sum, run) => sum + run.bytes, 0))
  return [
    ...(runs.length === 0 ? [] : [runTable(runs), '']),
    ...errors.map(({ message }) => `${style.bad('not deleted')}: ${message}`),
    applied
      ? `${plural(runs.length, 'run')} deleted, ${size} given back (${duration(durationMs)})`
      : `would delete ${plural(runs.length, 'run')}, ${size}; add --apply to do it`,
  ].join('\n')
}
