import { Command } from 'commander'

import { catalogue } from '../config/catalogue.js'
import { wholeNumber } from '../config/values.js'
import { UsageError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { duration, instant } from '../output/format.js'
import type { FinishedRun, NextRun, ScheduleEvents } from '../schedule/run-schedule.js'
import type { ScheduleState } from '../schedule/state.js'
import { taskKey, type ScheduledTask } from '../schedule/task.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { parsed } from './parse.js'

interface Flags {
  readonly allProfiles?: boolean
  readonly once?: boolean
  readonly metricsPort?: number
  readonly metricsHost: string
  readonly metricsFile?: string
}

export function scheduleRunCommand(launcher: Launcher): Command {
  const command = new Command('run')
    .description(
      'make, verify, try out and remove backups when the configuration says so, until it is stopped',
    )
    .option('--all-profiles', 'every profile of the configuration file')
    .option('--once', 'run what is due, and what has never run, and end')
    .addOption(parsed('--metrics-port <port>', 'serve /metrics and /healthz', wholeNumber(0, 65_535)))
    .option('--metrics-host <address>', 'the address to serve them on', '127.0.0.1')
    .option('--metrics-file <file>', 'write the metrics there after each task, for a textfile collector')
  return act(
    command,
    launcher,
    async (context) => {
      await run(context, command.opts<Flags>())
    },
    true,
  )
}

async function run(context: CommandContext, flags: Flags): Promise<void> {
  context.changes('schedule run')
  const { host, output, settings, signal } = context
  const [{ openInstances }, { tasksOf, figuresOf }, { runSchedule }, { withStateLock }] = await Promise.all([
    import('./profile-contexts.js'),
    import('./schedule-tasks.js'),
    import('../schedule/run-schedule.js'),
    import('../schedule/state-lock.js'),
  ])
  const instances = await openInstances(context, flags.allProfiles === true)
  const tasks = instances.flatMap(tasksOf)
  if (tasks.length === 0) throw new UsageError('the configuration enables no task')
  const stateDir = await context.directories.state()
  if (stateDir === null)
    throw new UsageError('no folder for the state can be written to', { hint: 'name one with --state-dir' })
  const finished = await withStateLock(stateDir, async () => {
    const monitoring = await startMonitoring(context, flags, tasks)
    return runSchedule({
      tasks,
      stateDir,
      once: flags.once === true,
      host: host.hostname,
      environment: host.environment,
      now: host.now,
      retryAfterMs: settings.value(catalogue.scheduleRetryAfter),
      figuresOf: (done) => figuresOf(done, host.now()),
      events: eventsFor(context, monitoring),
      signal,
    })
  })
  if (flags.once === true) context.finish(exitCodeOf(finished))
  output.result({ stopped: signal.aborted, runs: finished.map(shownRun) }, ({ runs }) =>
    flags.once === true
      ? finished.map(lineOf).join('\n') || 'nothing was due'
      : `stopped; ${runs.length === 0 ? 'what is missed meanwhile is made up for after the next start' : ''}`,
  )
}

type Monitoring = (state: ScheduleState, next: readonly NextRun[]) => Promise<void>

async function startMonitoring(
  context: CommandContext,
  { metricsPort, metricsHost, metricsFile }: Flags,
  tasks: readonly ScheduledTask[],
): Promise<Monitoring> {
  const [{ scheduleMetrics }, { writeMetricsFile }] = await Promise.all([
    import('../schedule/schedule-metrics.js'),
    import('../schedule/metrics-file.js'),
  ])
  const startedAt = context.host.now()
  let metrics = ''
  if (metricsPort !== undefined) {
    const { serveMetrics } = await import('../schedule/metrics-server.js')
    const problem = () => (context.signal.aborted ? 'it is being stopped' : null)
    const server = await serveMetrics({
      host: metricsHost,
      port: metricsPort,
      metrics: () => metrics,
      problem,
    })
    context.onClose(() => server.close())
    context.output.note(`metrics: http://${metricsHost}:${server.port}/metrics`, { port: server.port })
  }
  return async (state, next) => {
    metrics = scheduleMetrics(tasks, state, next, startedAt)
    if (metricsFile !== undefined) await writeMetricsFile(metricsFile, metrics)
  }
}

function eventsFor({ output }: CommandContext, monitoring: Monitoring): ScheduleEvents {
  let announced = ''
  return {
    started: (task, slot) => {
      output.note(`${taskKey(task)} begins, due at ${instant(slot)}`, fieldsOf(task, slot))
    },
    finished: (run) => {
      output.note(lineOf(run), shownRun(run))
    },
    hookLine: (task, line) => {
      output.note(`${taskKey(task)} hook: ${line}`, { profile: task.profile, task: task.kind })
    },
    hookFailed: (task, why) => {
      output.warn({ code: 'HOOK_FAILED', message: `${taskKey(task)}: the hook failed: ${why}` })
    },
    warn: (code, message) => {
      output.warn({ code, message })
    },
    changed: async (state, next) => {
      await monitoring(state, next)
      const [first] = [...next].sort((a, b) => +a.at - +b.at)
      const text = first === undefined ? '' : `next: ${taskKey(first.task)} at ${instant(first.at)}`
      if (first !== undefined && text !== announced)
        output.note(text, { ...fieldsOf(first.task, first.slot), at: first.at })
      announced = text
    },
  }
}

function fieldsOf({ profile, kind }: ScheduledTask, slot: Date) {
  return { profile, task: kind, slot }
}

function shownRun({ task, slot, started, finished, outcome, complete, hookFailed }: FinishedRun) {
  return {
    ...fieldsOf(task, slot),
    started,
    finished,
    durationMs: finished.getTime() - started.getTime(),
    exitCode: outcome.exitCode,
    complete,
    hookFailed,
    result: outcome.document,
  }
}

function lineOf({ task, started, finished, outcome, complete }: FinishedRun): string {
  const { exitCode, document } = outcome
  const error = document['error']
  const reason =
    typeof error === 'object' && error !== null && 'message' in error ? `: ${String(error.message)}` : ''
  const how = !complete ? 'was stopped' : exitCode === 0 ? 'is done' : `ended with ${exitCode}${reason}`
  return `${taskKey(task)} ${how}, after ${duration(finished.getTime() - started.getTime())}`
}

/** Of the first task that failed, else of the worst findings; 3 when only a hook failed. */
function exitCodeOf(runs: readonly FinishedRun[]): ExitCode {
  const known = Object.values(ExitCode)
  const codes = runs.map(({ outcome }) => known.find((code) => code === outcome.exitCode) ?? ExitCode.failed)
  const failure = codes.find(
    (code) => ![ExitCode.ok, ExitCode.findings, ExitCode.critical].some((each) => each === code),
  )
  if (failure !== undefined) return failure
  if (codes.includes(ExitCode.critical)) return ExitCode.critical
  if (codes.includes(ExitCode.findings) || runs.some(({ hookFailed }) => hookFailed)) return ExitCode.findings
  return ExitCode.ok
}
