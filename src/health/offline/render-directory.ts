import { renderNagiosOf, type NagiosResult } from '../render-nagios.js'
import { gauge, prometheusText, sample, type Family } from '../../core/prometheus-text.js'
import type { DirectoryCollection, DirectoryReport } from './directory-report.js'

/** Prometheus text format 0.0.4. Ends with a line break. */
export function renderDirectoryPrometheus(report: DirectoryReport): string {
  return prometheusText(directoryFamilies(report))
}

export function directoryFamilies(report: DirectoryReport): readonly Family[] {
  const { database, disk, indexes, collections, level, backup } = report
  const per = (value: (collection: DirectoryCollection) => number | null) =>
    collections.flatMap((collection) => {
      const { tenant, database: name, name: own } = collection
      return sample({ tenant, database: name, collection: own }, value(collection))
    })
  const created = backup?.created == null ? null : Date.parse(backup.created) / 1000
  return [
    gauge('health_status', '0 ok, 1 degraded, 2 critical.', sample({ level }, STATUS[report.status])),
    gauge(
      'health_timestamp_seconds',
      'When the check began.',
      sample({ level }, Date.parse(report.startedAt) / 1000),
    ),
    gauge('health_duration_seconds', 'How long the check took.', sample({ level }, report.durationMs / 1000)),
    gauge(
      'health_finding',
      'What was found; one for each finding.',
      report.findings.map(({ id, severity, collection }) => ({
        labels: { id, severity, collection: collection ?? '' },
        value: 1,
      })),
    ),
    gauge('directory_database_bytes', 'Size of chroma.sqlite3.', sample({}, database?.bytes ?? null)),
    gauge(
      'directory_database_free_bytes',
      'Of it, pages that hold nothing.',
      sample({}, database?.freeBytes ?? null),
    ),
    gauge('directory_log_rows', 'Rows of the write-ahead log.', sample({}, database?.log?.rows ?? null)),
    gauge(
      'directory_log_purgeable_rows',
      'Of these, what could be purged.',
      sample({}, database?.log?.purgeable ?? null),
    ),
    gauge('directory_index_bytes', 'Indexes on the disk.', sample({}, indexes?.allocatedBytes ?? null)),
    gauge(
      'directory_index_memory_bytes',
      'Memory that all indexes need.',
      sample({}, indexes?.memoryBytes ?? null),
    ),
    gauge(
      'directory_disk_free_bytes',
      'Free space where the directory is.',
      sample({}, disk?.freeBytes ?? null),
    ),
    gauge(
      'backup_created_timestamp_seconds',
      'When the newest complete backup was made.',
      sample({}, created),
    ),
    gauge(
      'collection_status',
      '0 ok, 1 degraded, 2 critical, 3 not looked at.',
      per(({ status }) => STATUS[status]),
    ),
    gauge(
      'collection_records',
      'Records.',
      per(({ records }) => records),
    ),
    gauge(
      'collection_vectors_saved',
      'Vectors in the files of the index.',
      per(checked(({ vectors }) => vectors.saved)),
    ),
    gauge(
      'collection_vectors_in_log',
      'Vectors that only the log holds.',
      per(checked(({ vectors }) => vectors.inLog)),
    ),
    gauge(
      'collection_vectors_lost',
      'Records without a vector.',
      per(checked(({ vectors }) => vectors.lost)),
    ),
  ]
}

export function renderDirectoryNagios(report: DirectoryReport): NagiosResult {
  const { path, collections, database, disk } = report
  const records = collections.reduce((sum, each) => sum + (each.records ?? 0), 0)
  const lost = collections.reduce((sum, { vectors }) => sum + vectors.lost, 0)
  return renderNagiosOf({
    report,
    subject: path,
    summary: `${path} has ${collections.length} collections with ${records} records`,
    performance: [
      `duration=${(report.durationMs / 1000).toFixed(3)}s`,
      `collections=${collections.length}`,
      `records=${records}`,
      `lost_vectors=${lost};;0`,
      ...(database === null ? [] : [`database=${database.bytes}B`]),
      ...(disk === null ? [] : [`disk_free=${disk.freeBytes}B`]),
    ],
  })
}

const STATUS = { ok: 0, degraded: 1, critical: 2, unchecked: 3 } as const

function checked(value: (collection: DirectoryCollection) => number) {
  return (collection: DirectoryCollection) => (collection.records === null ? null : value(collection))
}
