import { gauge, inSeconds, prometheusText, sample, type Family } from '../core/prometheus-text.js'
import type { CollectionHealth, HealthReport } from './report.js'

/** Prometheus text format 0.0.4, for a scrape or a textfile collector. Ends with a line break. */
export function renderPrometheus(report: HealthReport): string {
  return prometheusText(serverFamilies(report))
}

export function serverFamilies(report: HealthReport): readonly Family[] {
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
  ]
}

const STATUS = { ok: 0, degraded: 1, critical: 2, unchecked: 3 } as const

function statusNumber({ status }: CollectionHealth): number {
  return STATUS[status]
}

function collectionLabels({ tenant, database, name }: CollectionHealth): Record<string, string> {
  return { tenant, database, collection: name }
}
