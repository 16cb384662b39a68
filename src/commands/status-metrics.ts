import { gauge, inSeconds, prometheusText, sample, type Family } from '../core/prometheus-text.js'
import type { InstanceStatus } from './instance-status.js'

/** Prometheus text format 0.0.4; docs/monitoring.md says what each name means. Ends with a line break. */
export function statusMetrics(instances: readonly InstanceStatus[], now: Date): string {
  return prometheusText(statusFamilies(instances, now))
}

function statusFamilies(instances: readonly InstanceStatus[], now: Date): readonly Family[] {
  const per = (value: (instance: InstanceStatus) => number | null) =>
    instances.flatMap((instance) => sample({ profile: instance.name }, value(instance)))
  const time = (text: string | null | undefined) => (text == null ? null : Date.parse(text) / 1000)
  return [
    gauge(
      'profile_status',
      '0 ok, 1 degraded, 2 critical.',
      per(({ status }) => STATUS[status]),
    ),
    gauge(
      'profile_up',
      'Whether the server answered, or the directory could be opened.',
      per(({ health }) =>
        health === null ? null : Number(health.reachable ?? health.status !== 'critical'),
      ),
    ),
    gauge(
      'profile_status_timestamp_seconds',
      'When it was looked at.',
      per(() => now.getTime() / 1000),
    ),
    gauge(
      'backup_last_success_timestamp_seconds',
      'When the last complete backup began: what it holds is that old.',
      per(({ backups }) => time(backups?.lastBackup?.created)),
    ),
    gauge(
      'backup_records',
      'Records in the last complete backup.',
      per(({ backups }) => backups?.lastBackup?.counts.records ?? null),
    ),
    gauge(
      'backup_bytes_added',
      'Bytes that the last complete backup put into the repository.',
      per(({ backups }) => backups?.lastBackup?.sizes.added ?? null),
    ),
    gauge(
      'backup_duration_seconds',
      'How long the last complete backup took.',
      per(({ backups }) => inSeconds(backups?.lastBackup?.durationMs ?? null)),
    ),
    gauge(
      'backup_last_verified_timestamp_seconds',
      'When all of a backup was last found to be whole.',
      per(({ backups }) => time(backups?.lastVerified)),
    ),
    gauge(
      'backup_last_drill_timestamp_seconds',
      'When a backup was last restored for trial.',
      per(({ backups }) => time(backups?.lastDrill)),
    ),
    gauge(
      'backup_recovery_seconds',
      'How long recovery took in the last drill.',
      per(({ backups }) => inSeconds(backups?.recoveryMs ?? null)),
    ),
    gauge(
      'backups',
      'Backups of the series.',
      per(({ backups }) => backups?.backups ?? null),
    ),
    gauge(
      'repository_bytes',
      'Bytes that the listed backups have put into the repository.',
      per(({ backups }) => backups?.repositoryBytes ?? null),
    ),
    gauge(
      'runs_running',
      'Backups and restores at work with the repository.',
      per((instance) => sessionsIn(instance, 'running')),
    ),
    gauge(
      'runs_dead',
      'Those that were killed, and whose record is still there.',
      per((instance) => sessionsIn(instance, 'dead')),
    ),
  ]
}

const STATUS = { ok: 0, degraded: 1, critical: 2 } as const

function sessionsIn({ backups }: InstanceStatus, state: 'running' | 'dead'): number | null {
  return backups === null ? null : backups.sessions.filter((session) => session.state === state).length
}
