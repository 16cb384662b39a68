import { Command, Option } from 'commander'

import type { Settings } from '../config/settings.js'
import { durationOf } from '../config/values.js'
import { parseCollectionPattern, type CollectionSelection } from '../core/collection-pattern.js'
import { asError, OpsError, throwIfAborted, UsageError } from '../core/errors.js'
import { instant } from '../output/format.js'
import type { HealthJob } from '../health/check-health.js'
import type { DirectoryReport } from '../health/offline/directory-report.js'
import type { NagiosResult } from '../health/render-nagios.js'
import type { HealthLevel, HealthReport, HealthStatus } from '../health/report.js'
import type { Describe } from '../output/output.js'
import { act } from './command.js'
import { completeCommand } from './complete-commands.js'
import type { CommandContext, Launcher } from './context.js'
import { directoryHealthJob, healthDirectory } from './health-directory.js'
import { parsed, repeated } from './parse.js'

interface Flags {
  readonly level: HealthLevel
  readonly format: 'text' | 'json' | 'prometheus' | 'nagios'
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly deadline?: number
  readonly watch?: boolean
  readonly interval: number
  readonly upgradeTo?: string
}

export function healthCommand(launcher: Launcher): Command {
  const command = new Command('health')
    .description('tell whether a server or a data directory is well; reads, never repairs')
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
    .option('--upgrade-to <version>', 'with --path: what changing to this version of Chroma would mean')
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
  const { output, signal } = context
  const { format, watch = false } = flags
  if (output.json && format !== 'text' && format !== 'json') {
    throw new UsageError(`--json and --format ${format} exclude each other`)
  }
  if (watch && (output.json || format === 'nagios')) {
    throw new UsageError('--watch has no end, and a JSON document or a check result has one', {
      hint: 'use --format text or prometheus, or run health at intervals',
    })
  }
  const directory = healthDirectory(context)
  if (directory === null && flags.upgradeTo !== undefined) {
    throw new UsageError('--upgrade-to is about a data directory', { hint: 'name it with --path' })
  }
  if (directory === null) await run(context, flags, await serverCheck(context, flags))
  else await run(context, flags, await directoryCheck(context, flags, directory))
  if (watch && !output.readerLeft) throwIfAborted(signal)
}

/** What is checked, and how its reports are shown. */
interface Check<R> {
  readonly check: (signal: AbortSignal) => Promise<R>
  readonly describe: Describe<R>
  readonly prometheus: (report: R) => string
  readonly nagios: (report: R) => NagiosResult
}

async function serverCheck(context: CommandContext, flags: Flags): Promise<Check<HealthReport>> {
  const [{ checkHealth }, { describeHealth }, { renderPrometheus }, { renderNagios }, job] =
    await Promise.all([
      import('../health/check-health.js'),
      import('./describe-health.js'),
      import('../health/render-prometheus.js'),
      import('../health/render-nagios.js'),
      healthJob(context, flags),
    ])
  return {
    check: async (signal) => withCompleteCommands(await checkHealth({ ...job, signal }), context.settings),
    describe: describeHealth,
    prometheus: renderPrometheus,
    nagios: renderNagios,
  }
}

async function directoryCheck(
  context: CommandContext,
  flags: Flags,
  directory: string,
): Promise<Check<DirectoryReport>> {
  if (flags.deadline !== undefined)
    throw new UsageError('--deadline is for servers; use --timeout with --path')
  const { level, upgradeTo } = flags
  const [{ checkDirectory }, { describeDirectoryHealth }, render, job] = await Promise.all([
    import('../health/offline/check-directory.js'),
    import('./describe-directory-health.js'),
    import('../health/offline/render-directory.js'),
    directoryHealthJob(context, { directory, level, selection: selectionOf(flags), upgradeTo }),
  ])
  return {
    check: async (signal) => withCompleteCommands(await checkDirectory({ ...job, signal }), context.settings),
    describe: describeDirectoryHealth,
    prometheus: render.renderDirectoryPrometheus,
    nagios: render.renderDirectoryNagios,
  }
}

async function run<R extends { readonly status: HealthStatus }>(
  context: CommandContext,
  { format, watch = false, interval }: Flags,
  { check, describe, prometheus, nagios }: Check<R>,
): Promise<void> {
  const { output, signal, host } = context
  const { healthExitCode } = await import('../health/report.js')
  const show = (report: R) => {
    if (format === 'nagios') {
      const { text, exitCode } = nagios(report)
      context.finish(exitCode)
      output.result(report, () => text.trimEnd())
      return
    }
    output.result(report, format === 'prometheus' ? () => prometheus(report).trimEnd() : describe)
    context.finish(healthExitCode(report))
  }
  if (!watch) {
    show(await check(signal))
    return
  }
  const { HealthMonitor } = await import('../health/monitor.js')
  const left = new AbortController()
  const monitor = new HealthMonitor<R>({ check, intervalMs: interval })
  let shown = 0
  monitor.on('report', (report) => {
    if (shown++ > 0) output.note(`\n${instant(host.now())}`)
    show(report)
    if (output.readerLeft) left.abort()
  })
  monitor.on('failed', (error) => {
    const code = error instanceof OpsError ? error.code : 'CHECK_FAILED'
    output.warn({ code, message: asError(error).message })
  })
  monitor.on('changed', ({ from, to }) => {
    if (from !== 'starting') output.note(`${from} -> ${to}`)
  })
  await monitor.run(AbortSignal.any([signal, left.signal]))
}

async function healthJob(context: CommandContext, flags: Flags): Promise<HealthJob> {
  const { tenants, databases = null } = await context.scope()
  return {
    server: await context.serverOptions(),
    level: flags.level,
    scope: { tenants, databases, selection: selectionOf(flags) },
    ...(flags.deadline !== undefined && { deadlineMs: flags.deadline }),
    progress: context.output,
    signal: context.signal,
  }
}

/** The checks know neither the repository nor the credentials of the command line. */
function withCompleteCommands<R extends Pick<HealthReport, 'findings'>>(report: R, settings: Settings): R {
  const findings = report.findings.map((finding) => ({
    ...finding,
    command: finding.command === null ? null : completeCommand(finding.command, settings),
  }))
  return { ...report, findings }
}

function selectionOf({ collection = [], exclude = [] }: Flags): CollectionSelection {
  return { include: collection.map(parseCollectionPattern), exclude: exclude.map(parseCollectionPattern) }
}
