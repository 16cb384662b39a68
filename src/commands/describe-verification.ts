import type { VerifyProblem, VerifyReport } from '../backup/verify-report.js'
import { bytes, duration, grouped, plural } from '../output/format.js'
import type { Style } from '../output/style.js'

/** A backup whose manifest cannot be used, so that nothing else of it could be read. */
export interface UnreadableBackup {
  readonly backup: string
  readonly code: string
  readonly message: string
}

export interface Verification {
  readonly repository: string
  readonly status: string
  readonly reports: readonly VerifyReport[]
  readonly unreadable: readonly UnreadableBackup[]
}

export function unreadableBackup(entry: { id: string; damaged: Error & { code: string } }): UnreadableBackup {
  return { backup: entry.id, code: entry.damaged.code, message: entry.damaged.message }
}

export function describeVerification(
  { repository, reports, unreadable }: Verification,
  style: Style,
): string {
  if (reports.length + unreadable.length === 0) return `no backups in ${repository}`
  return [
    ...unreadable.map(
      ({ backup, code, message }) => `${style.bad('damaged')} ${backup}: ${message} (${code})`,
    ),
    ...reports.flatMap((report) => describeReport(report, style)),
    ...(reports.length + unreadable.length > 1 ? [summary(reports, unreadable, style)] : []),
  ].join('\n')
}

/** The line to look at when there are many. */
function summary(
  reports: readonly VerifyReport[],
  unreadable: readonly UnreadableBackup[],
  style: Style,
): string {
  const all = reports.length + unreadable.length
  const damaged = unreadable.length + reports.filter(({ status }) => status !== 'ok').length
  const sum = (figure: (report: VerifyReport) => number) =>
    reports.reduce((total, report) => total + figure(report), 0)
  const read = `${bytes(sum(({ objects }) => objects.bytes))} read in ${duration(sum(({ durationMs }) => durationMs))}`
  const verdict =
    damaged === 0
      ? style.good(`all ${plural(all, 'backup')} ok`)
      : style.bad(`${grouped(damaged)} of ${plural(all, 'backup')} damaged`)
  return `${verdict}, ${read}`
}

function describeReport(report: VerifyReport, style: Style): string[] {
  const { backup, type, status, objects, sample, depth, records, durationMs, problems } = report
  const share = sample < 1 ? ` (a sample of ${Number((sample * 100).toFixed(2))} %)` : ''
  const each = type === 'physical' ? 'every block of its files' : `every one of ${plural(records, 'record')}`
  const decoded = depth === 'records' && sample === 1 ? `, ${each}` : ''
  const checked = `${grouped(objects.checked)} of ${plural(objects.total, 'object')}${share}, ${bytes(objects.bytes)}`
  const reread =
    objects.reread === 0 ? '' : `; ${plural(objects.reread, 'object')} matched only when read again`
  const verdict = status === 'ok' ? style.good('ok') : style.bad('damaged')
  return [
    `${verdict} ${backup}: ${checked}${decoded} in ${duration(durationMs)}${reread}`,
    ...problems.map(problemText),
  ]
}

function problemText({ code, message, collections, backups }: VerifyProblem): string {
  const needed = collections.length === 0 ? '' : `; needed by ${collections.join(', ')}`
  const others = backups.length <= 1 ? '' : `; also in ${plural(backups.length - 1, 'other backup')}`
  return `  ${code}: ${message}${needed}${others}`
}
