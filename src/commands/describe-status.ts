import type { RunningSession } from '../backup/running-sessions.js'
import { duration, grouped, shortBytes } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'
import type { InstanceStatus } from './instance-status.js'

const HEADER = [
  'profile',
  'status',
  'health',
  'last backup',
  'age',
  'verified',
  'drill',
  'backups',
  'size',
  'running now',
]

/** One line for each instance, then what is wrong. */
export function describeStatus(instances: readonly InstanceStatus[], now: Date, style: Style): string {
  const rows = instances.map((instance) => row(instance, now, style))
  const remarks = instances.flatMap(({ name, findings }) =>
    findings.map(({ severity, id, message }) => {
      const color = { critical: style.bad, warning: style.warning, info: style.dim }[severity]
      return `${color(severity.padEnd(8))}  ${name}: ${message} (${id})`
    }),
  )
  const lines = [table(HEADER, rows, ['age', 'backups', 'size'])]
  if (remarks.length > 0) lines.push('', ...remarks)
  return lines.join('\n')
}

function row({ name, status, health, backups }: InstanceStatus, now: Date, style: Style): string[] {
  const color = { ok: style.good, degraded: style.warning, critical: style.bad }
  const ago = (time: string | null | undefined) =>
    time == null ? '-' : duration(Math.max(0, now.getTime() - Date.parse(time)))
  return [
    name,
    color[status](status),
    health === null ? '-' : color[health.status](health.reachable === false ? 'down' : health.status),
    backups?.lastBackup?.id ?? '-',
    ago(backups?.lastBackup?.created),
    backups?.lastVerified == null ? '-' : `${ago(backups.lastVerified)} ago`,
    backups?.lastDrill == null ? '-' : `${ago(backups.lastDrill)} ago`,
    backups === null ? '-' : grouped(backups.backups),
    backups === null ? '-' : shortBytes(backups.repositoryBytes),
    runningText(backups?.sessions ?? [], now, backups?.maintenance?.task),
  ]
}

function runningText(sessions: readonly RunningSession[], now: Date, task: string | undefined): string {
  const live = sessions
    .filter(({ state }) => state === 'running')
    .map(({ kind, series, actor, host, began }) => {
      const since = began === null ? '' : `, ${duration(Math.max(0, now.getTime() - Date.parse(began)))}`
      return `${kind} of ${series} (${actor ?? '?'} on ${host ?? '?'}${since})`
    })
  return [...live, ...(task === undefined ? [] : [task])].join('; ') || '-'
}
