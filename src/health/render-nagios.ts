import type { HealthReport } from './report.js'

/** What a monitoring plugin prints, and how it exits: 0 ok, 1 warning, 2 critical. */
export interface NagiosResult {
  /** One line with performance data, then one for each finding. Ends with a line break. */
  readonly text: string
  readonly exitCode: 0 | 1 | 2
}

export function renderNagios(report: HealthReport): NagiosResult {
  const { url, level, collections } = report
  const whole = `${url} has ${collections.length} collections with ${totalRecords(collections)} records`
  return renderNagiosOf({
    report,
    subject: url,
    summary: level === 'live' ? `${url} answers` : whole,
    performance: performanceData(report),
  })
}

/** For any report with findings; `summary` is told when there is nothing worse. */
export function renderNagiosOf(job: {
  readonly report: Pick<HealthReport, 'status' | 'findings'>
  /** What a finding that names no collection is about. */
  readonly subject: string
  readonly summary: string
  readonly performance: readonly string[]
}): NagiosResult {
  const { word, exitCode } = STATES[job.report.status]
  const findings = job.report.findings.map(
    ({ severity, id, collection, evidence, advice }) =>
      `${severity} ${id}${collection === null ? '' : ` ${collection}`}: ${evidence}. ${advice}`,
  )
  const [worst, ...others] = job.report.findings.filter(({ severity }) => severity !== 'info')
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  const summary =
    worst === undefined ? job.summary : `${worst.collection ?? job.subject}: ${worst.evidence}${more}`
  const first = `CHROMA ${word} - ${plain(summary)} | ${job.performance.join(' ')}`
  return { text: [first, ...findings.map(plain)].join('\n') + '\n', exitCode }
}

const STATES = {
  ok: { word: 'OK', exitCode: 0 },
  degraded: { word: 'WARNING', exitCode: 1 },
  critical: { word: 'CRITICAL', exitCode: 2 },
} as const

/** `label=value[unit];warn;crit`: above the thresholds is bad. */
function performanceData(report: HealthReport): string[] {
  const { level, collections, heartbeatMs, durationMs } = report
  const data = [`duration=${seconds(durationMs)}s`]
  if (heartbeatMs !== null) data.push(`heartbeat=${seconds(heartbeatMs)}s`)
  if (level === 'live') return data
  const lost = collections.reduce((sum, { vectors }) => sum + vectors.lost, 0)
  const bad = collections.filter(({ status }) => status !== 'ok').length
  return [
    ...data,
    `collections=${collections.length}`,
    `bad_collections=${bad};0`,
    `records=${totalRecords(collections)}`,
    `lost_vectors=${lost};;0`,
  ]
}

function totalRecords(collections: HealthReport['collections']): number {
  return collections.reduce((sum, { records }) => sum + (records ?? 0), 0)
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3)
}

/** The bar begins performance data, a line break the next line. */
function plain(text: string): string {
  return text.replaceAll('|', '/').replaceAll(/\s+/g, ' ')
}
