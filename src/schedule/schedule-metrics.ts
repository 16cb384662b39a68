import { counter, gauge, prometheusText, sample, type Family } from '../core/prometheus-text.js'
import type { NextRun } from './run-schedule.js'
import type { TaskState, ScheduleState } from './state.js'
import { taskKey, type ScheduledTask } from './task.js'

/** Names of the figures that {@link TaskState.figures} of a backup, a verification or a drill can have. */
const FIGURES: Readonly<Record<string, string>> = {
  backup_last_success_timestamp_seconds: 'When the last complete backup began: what it holds is that old.',
  backup_records: 'Records in the last complete backup.',
  backup_bytes_added: 'Bytes that the last complete backup put into the repository.',
  backup_duration_seconds: 'How long the last complete backup took.',
  backup_last_verified_timestamp_seconds: 'When all of a backup was last found to be whole.',
  backup_last_drill_timestamp_seconds: 'When a backup was last restored for trial.',
  backup_recovery_seconds: 'How long recovery took in the last drill.',
}

/** Prometheus text format 0.0.4; docs/monitoring.md says what each name means. Ends with a line break. */
export function scheduleMetrics(
  tasks: readonly ScheduledTask[],
  state: ScheduleState,
  next: readonly NextRun[],
  startedAt: Date,
): string {
  const per = (value: (state: TaskState) => number | null) =>
    tasks.flatMap((task) => {
      const known = state[taskKey(task)]
      return known === undefined ? [] : sample({ profile: task.profile, task: task.kind }, value(known))
    })
  const seconds = (text: string | null) => (text === null ? null : Date.parse(text) / 1000)
  const figures = Object.entries(FIGURES).map(([name, help]): Family => {
    const samples = tasks.flatMap((task) =>
      sample({ profile: task.profile }, state[taskKey(task)]?.figures[name] ?? null),
    )
    return gauge(name, help, newestOf(samples))
  })
  return prometheusText([
    gauge(
      'schedule_start_timestamp_seconds',
      'When the schedule began.',
      sample({}, startedAt.getTime() / 1000),
    ),
    gauge(
      'task_running',
      'Whether the task runs now.',
      per(({ running }) => (running === null ? 0 : 1)),
    ),
    gauge(
      'task_last_success_timestamp_seconds',
      'When it last ended well.',
      per((each) => seconds(each.lastSuccess)),
    ),
    gauge(
      'task_last_run_timestamp_seconds',
      'When it last ended.',
      per((each) => seconds(each.lastFinished)),
    ),
    gauge(
      'task_last_exit_code',
      'How it last ended.',
      per(({ lastExitCode }) => lastExitCode),
    ),
    gauge(
      'task_last_duration_seconds',
      'How long it last took.',
      per(({ lastDurationMs }) => (lastDurationMs === null ? null : lastDurationMs / 1000)),
    ),
    gauge(
      'task_next_timestamp_seconds',
      'When it is due next.',
      next.map(({ task, at }) => ({
        labels: { profile: task.profile, task: task.kind },
        value: at.getTime() / 1000,
      })),
    ),
    counter(
      'task_runs_total',
      'Runs that came to an end, or were killed.',
      per(({ runs }) => runs),
    ),
    counter(
      'task_failures_total',
      'Of these, those that did not end with 0.',
      per(({ failures }) => failures),
    ),
    counter(
      'hook_failures_total',
      'Hooks that failed.',
      per(({ hookFailures }) => hookFailures),
    ),
    ...figures,
  ])
}

/** A verification and a drill both verify: one sample for each profile, the newer one. */
function newestOf(samples: Family['samples']): Family['samples'] {
  const byProfile = new Map<string, Family['samples'][number]>()
  for (const each of samples) {
    const profile = each.labels['profile'] ?? ''
    const known = byProfile.get(profile)
    if (known === undefined || known.value < each.value) byProfile.set(profile, each)
  }
  return [...byProfile.values()]
}
