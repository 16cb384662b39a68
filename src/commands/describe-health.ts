import { displayName } from '../core/records.js'
import type { CollectionHealth, HealthFinding, HealthReport, HealthStatus } from '../health/report.js'
import { columnName, duration, grouped, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'

export function describeHealth(report: HealthReport, style: Style): string {
  const { url, status, level, durationMs, findings, collections } = report
  const verdict = statusText(status, style)
  return [
    `${verdict}: ${url} (${level}, ${duration(durationMs)})`,
    ...serverFacts(report),
    ...(collections.length === 0 ? [] : ['', collectionTable(collections, style)]),
    ...findings.flatMap((finding) => ['', ...findingText(finding, style)]),
  ].join('\n')
}

function serverFacts({ heartbeatMs, fingerprint, maxBatchSize, databases, pool }: HealthReport): string[] {
  const facts: string[] = []
  if (heartbeatMs !== null) facts.push(`heartbeat ${duration(heartbeatMs)}`)
  if (fingerprint !== null) facts.push(`Chroma ${fingerprint.atLeast} or newer`)
  if (maxBatchSize !== null) facts.push(`batches of ${grouped(maxBatchSize)} records`)
  if (databases.length > 0) facts.push(plural(databases.length, 'database'))
  if (pool !== null) facts.push(`${plural(pool.created, 'connection')} made, ${pool.recycled} recycled`)
  return facts.length === 0 ? [] : [facts.join(', ')]
}

function collectionTable(collections: readonly CollectionHealth[], style: Style): string {
  const rows = collections.map((collection) => {
    const { status, records, dimension, space, vectors, query, latencyMs } = collection
    return [
      columnName(displayName(collection)),
      status === 'unchecked' ? style.warning(status) : statusText(status, style),
      records === null ? '-' : grouped(records),
      dimension === null ? '-' : String(dimension),
      space,
      vectorsText(vectors),
      query === null ? '-' : `${query.hits}/${query.expected}`,
      [latencyMs.count, latencyMs.read, latencyMs.query].map(milliseconds).join(' / '),
    ]
  })
  return table(
    [
      'collection',
      'status',
      'records',
      'dimension',
      'metric',
      'vectors read',
      'query',
      'count / read / query',
    ],
    rows,
    ['records', 'dimension'],
  )
}

function vectorsText({ checked, lost, undecided }: CollectionHealth['vectors']): string {
  if (checked === 0) return '-'
  const bad = lost + undecided
  if (bad === 0) return grouped(checked)
  return `${grouped(checked - bad)} of ${grouped(checked)}`
}

function milliseconds(value: number | null): string {
  return value === null ? '-' : duration(value)
}

export function findingText(finding: HealthFinding, style: Style): string[] {
  const { id, severity, collection, evidence, consequence, advice, command } = finding
  const paint = { critical: style.bad, warning: style.warning, info: style.dim }[severity]
  return [
    `${paint(severity)} ${style.bold(id)}${collection === null ? '' : ` ${collection}`}: ${evidence}`,
    `  ${consequence}`,
    `  What to do: ${advice}`,
    ...(command === null ? [] : [`  ${command}`]),
  ]
}

export function statusText(status: HealthStatus, style: Style): string {
  return { ok: style.good, degraded: style.warning, critical: style.bad }[status](status)
}
