import { Command, Option } from 'commander'

import type { Settings } from '../config/settings.js'
import { durationOf } from '../config/values.js'
import { sleep } from '../core/abort.js'
import { parseCollectionPattern } from '../core/collection-pattern.js'
import { UsageError } from '../core/errors.js'
import type { ExitCode } from '../core/exit-code.js'
import { instant } from '../output/format.js'
import type { HealthJob } from '../health/check-health.js'
import type { HealthLevel, HealthReport } from '../health/report.js'
import { act } from './command.js'
import { completeCommand } from './complete-commands.js'
import type { CommandContext, Launcher } from './context.js'
import { parsed, repeated } from './parse.js'

interface Flags {
  readonly level: HealthLevel
  readonly format: 'text' | 'json' | 'prometheus' | 'nagios'
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly deadline?: number
  readonly watch?: boolean
  readonly interval: number
}

export function healthCommand(launcher: Launcher): Command {
  const command = new Command('health')
    .description('tell whether a server and its data are well; reads, never repairs')
    .addOption(
      new Option('--level <level>', 'live: it answers; ready: samples of the data; deep: every vector')
        .choices(['live', 'ready', 'deep'])
        .default('ready'),
    )
    .addOption(
      new Option('--format <format>', 'json is the same as --json')
        .choices(['text', 'json', 'prometheus', 'nagios'])
        .default('text'),
    )
    .addOption(repeated('--collection <pattern>', 'only these: [[tenant/]database/]name with * and ?'))
    .addOption(repeated('--exclude <pattern>', 'all but these'))
    .addOption(parsed('--deadline <duration>', 'for the whole check (default: 5s; deep: none)', durationOf))
    .option('--watch', 'check again and again until it is stopped')
    .addOption(
      parsed('--interval <duration>', 'with --watch: pause between checks', durationOf).default(
        10_000,
        '10s',
      ),
    )
  return act(command, launcher, async (context) => {
    await health(context, command.opts<Flags>())
  })
}

async function health(context: CommandContext, flags: Flags): Promise<void> {
  const { output, signal, host } = context
  const { format, watch = false, interval } = flags
  if (output.json && format !== 'text' && format !== 'json') {
    throw new UsageError(`--json and --format ${format} exclude each other`)
  }
  if (watch && (output.json || format === 'nagios')) {
    throw new UsageError('--watch has no end, and a JSON document or a check result has one', {
      hint: 'use --format text or prometheus, or run health at intervals',
    })
  }
  const [{ checkHealth }, { describeHealth }] = await Promise.all([
    import('../health/check-health.js'),
    import('./describe-health.js'),
  ])
  const job = await healthJob(context, flags)
  for (;;) {
    const report = withCompleteCommands(await checkHealth(job), context.settings)
    if (format === 'prometheus' || format === 'nagios') await printFor(format, context, report)
    else output.result(report, describeHealth)
    if (format !== 'nagios') context.finish(await exitCodeFor(report))
    if (!watch || output.readerLeft) return
    await sleep(interval, signal)
    output.note(`\n${instant(host.now())}`)
  }
}

async function healthJob(context: CommandContext, flags: Flags): Promise<HealthJob> {
  const { tenants, databases = null } = await context.scope()
  return {
    server: await context.serverOptions(),
    level: flags.level,
    scope: {
      tenants,
      databases,
      selection: {
        include: (flags.collection ?? []).map(parseCollectionPattern),
        exclude: (flags.exclude ?? []).map(parseCollectionPattern),
      },
    },
    ...(flags.deadline !== undefined && { deadlineMs: flags.deadline }),
    progress: context.output,
    signal: context.signal,
  }
}

/** The checks know neither the repository nor the credentials of the command line. */
function withCompleteCommands(report: HealthReport, settings: Settings): HealthReport {
  const findings = report.findings.map((finding) => ({
    ...finding,
    command: finding.command === null ? null : completeCommand(finding.command, settings),
  }))
  return { ...report, findings }
}

async function printFor(
  format: 'prometheus' | 'nagios',
  context: CommandContext,
  report: HealthReport,
): Promise<void> {
  if (format === 'prometheus') {
    const { renderPrometheus } = await import('../health/render-prometheus.js')
    context.output.result(report, (result) => renderPrometheus(result).trimEnd())
    return
  }
  const { renderNagios } = await import('../health/render-nagios.js')
  const { text, exitCode } = renderNagios(report)
  context.finish(exitCode)
  context.output.result(report, () => text.trimEnd())
}

async function exitCodeFor(report: HealthReport): Promise<ExitCode> {
  const { healthExitCode } = await import('../health/report.js')
  return healthExitCode(report)
}
