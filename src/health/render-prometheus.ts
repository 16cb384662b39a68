import type { CollectionHealth, HealthReport } from './report.js'

interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Prometheus text format 0.0.4, for a scrape or a textfile collector. Ends with a line break. */
export function renderPrometheus(report: HealthReport): string {
  const { collections, pool } = report
  const level = { level: report.level }
  const perCollection = (value: (collection: CollectionHealth) => number | null) =>
    collections.flatMap((collection) => sample(collectionLabels(collection), value(collection)))
  const latency = (['count', 'read', 'query'] as const).flatMap((operation) =>
    collections.flatMap((collection) =>
      sample({ ...collectionLabels(collection), operation }, inSeconds(collection.latencyMs[operation])),
    ),
  )
  const figures = pool === null ? [] : Object.entries(pool)
  return [
    gauge('up', 'Whether the server answered a heartbeat.', sample({}, report.reachable ? 1 : 0)),
    gauge('health_status', '0 ok, 1 degraded, 2 critical.', sample(level, STATUS[report.status])),
    gauge(
      'health_timestamp_seconds',
      'When the check began.',
      sample(level, Date.parse(report.startedAt) / 1000),
    ),
    gauge('health_duration_seconds', 'How long the check took.', sample(level, report.durationMs / 1000)),
    gauge('heartbeat_seconds', 'How long a heartbeat took.', sample({}, inSeconds(report.heartbeatMs))),
    gauge(
      'health_finding',
      'What was found; one for each finding.',
      report.findings.map(({ id, severity, collection }) => ({
        labels: { id, severity, collection: collection ?? '' },
        value: 1,
      })),
    ),
    gauge('collection_status', '0 ok, 1 degraded, 2 critical, 3 not looked at.', perCollection(statusNumber)),
    gauge(
      'collection_records',
      'Records as the server counts them.',
      perCollection(({ records }) => records),
    ),
    gauge(
      'collection_vectors_checked',
      'Vectors read back.',
      perCollection(({ vectors }) => vectors.checked),
    ),
    gauge(
      'collection_vectors_lost',
      'Of these, surely lost.',
      perCollection(({ vectors }) => vectors.lost),
    ),
    gauge('collection_latency_seconds', 'One request of each kind.', latency),
    gauge(
      'pool',
      'Figures of the connection pool of this check.',
      figures.map(([figure, value]) => ({ labels: { figure }, value: Number(value) })),
    ),
  ].join('')
}

const STATUS = { ok: 0, degraded: 1, critical: 2, unchecked: 3 } as const

function statusNumber({ status }: CollectionHealth): number {
  return STATUS[status]
}

function collectionLabels({ tenant, database, name }: CollectionHealth): Record<string, string> {
  return { tenant, database, collection: name }
}

function sample(labels: Record<string, string>, value: number | null): Sample[] {
  return value === null ? [] : [{ labels, value }]
}

function inSeconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000
}

/** Two findings of one kind about one thing count as one sample: a series must not occur twice. */
function gauge(name: string, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return ''
  const lines = samples.map(({ labels, value }) => `chroma_ops_${name}${labelText(labels)} ${value}\n`)
  return `# HELP chroma_ops_${name} ${help}\n# TYPE chroma_ops_${name} gauge\n${[...new Set(lines)].join('')}`
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(value: string): string {
  return value
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`)
}
