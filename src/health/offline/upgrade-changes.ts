import type { CollectionName } from '../../core/records.js'
import { displayName } from '../../core/records.js'
import type { DataDirectory } from '../../datadir/data-directory.js'
import { openingBy, releaseOf, type MigrationFingerprint } from '../../datadir/migrations.js'
import { tablesOf } from '../../datadir/inspect-steps.js'
import type { UpgradeChange, UpgradeReport } from './directory-report.js'

/** The set of 1.0, which differs from all before by its fifth migration of `metadb`. */
const METADB_OF_1 = 5
/** The set of 1.3 brings schemas. */
const SYSDB_OF_1_3 = 10

/** What opening the directory with another release would change, as far as the files tell. */
export function upgradeChanges(
  directory: DataDirectory,
  version: string,
  collections: readonly (CollectionName & { readonly id: string })[],
): Pick<UpgradeReport, 'opening' | 'changes'> {
  const { fingerprint } = directory
  const opening = openingBy(version, fingerprint)
  const target = releaseOf(version)
  if (opening === 'refused' || target === undefined) return { opening, changes: [] }
  const changes: UpgradeChange[] = []
  const missing = missingMigrations(fingerprint, target)
  if (missing.length > 0)
    changes.push({
      id: 'MIGRATIONS',
      text: `the first start applies ${missing.join(', ')}, in one transaction`,
    })
  if (missing.length > 0)
    changes.push({
      id: 'NO_WAY_BACK',
      text: `older releases do not work on the directory afterwards: before 1.3 they panic at their start`,
    })
  const isLeap = fingerprint.metadb < METADB_OF_1 && target.metadb >= METADB_OF_1
  if (isLeap) changes.push(...leapTo1(directory.path))
  if (target.metadb >= METADB_OF_1)
    changes.push(...shownAsL2(directory, collections), ...neverPurged(directory))
  if (fingerprint.sysdb < SYSDB_OF_1_3 && target.sysdb >= SYSDB_OF_1_3)
    changes.push({ id: 'SCHEMAS', text: 'collections are shown with a schema beside their configuration' })
  return { opening, changes }
}

function missingMigrations(
  from: MigrationFingerprint,
  to: Pick<MigrationFingerprint, 'sysdb' | 'metadb' | 'embeddingsQueue'>,
): string[] {
  const ranges = [
    ['sysdb', from.sysdb, to.sysdb],
    ['metadb', from.metadb, to.metadb],
    ['embeddings_queue', from.embeddingsQueue, to.embeddingsQueue],
  ] as const
  return ranges
    .filter(([, has, gets]) => gets > has)
    .map(([name, has, gets]) => `${name} ${has + 1}${gets === has + 1 ? '' : ` to ${gets}`}`)
}

function leapTo1(directory: string): UpgradeChange[] {
  return [
    {
      id: 'NO_AUTHENTICATION',
      text: 'the server has no authentication from 1.0 on: tokens and passwords are ignored, so a proxy must check them',
    },
    {
      id: 'MOUNT_MOVED',
      text: `the image keeps its data in /data from 1.0 on, before in /chroma/chroma: mount ${directory} there, or everything seems to be gone`,
    },
    { id: 'API_V1_GONE', text: 'API v1 answers 410: clients before 0.5.16 must be upgraded too' },
    {
      id: 'POSITIONS_CONVERTED',
      text: 'positions in max_seq_id become integers, and index_metadata.pickle gets another form: an old server that writes to the directory afterwards damages it',
    },
  ]
}

function shownAsL2(
  { database }: DataDirectory,
  collections: readonly (CollectionName & { readonly id: string })[],
): UpgradeChange[] {
  if (!tablesOf(database).has('segment_metadata')) return []
  const rows = database.all(
    `SELECT s.collection AS id, m.str_value AS space FROM segment_metadata AS m JOIN segments AS s ON s.id = m.segment_id
     WHERE m.key = 'hnsw:space' AND m.str_value <> 'l2'`,
  )
  const spaces = new Map(rows.map(({ id, space }) => [String(id), String(space)]))
  const affected = collections.filter(({ id }) => spaces.has(id))
  if (affected.length === 0) return []
  const names = affected.slice(0, 5).map((each) => `${displayName(each)} (${spaces.get(each.id) ?? ''})`)
  const more = affected.length > names.length ? ` and ${affected.length - names.length} more` : ''
  return [
    {
      id: 'SPACE_SHOWN_AS_L2',
      text: `the server shows the metric of these collections as l2, and goes on measuring as they were made: ${names.join(', ')}${more}`,
    },
  ]
}

function neverPurged({ database }: DataDirectory): UpgradeChange[] {
  const tables = tablesOf(database)
  const row = tables.has('embeddings_queue_config')
    ? database.get('SELECT config_json_str AS text FROM embeddings_queue_config')
    : undefined
  if (row !== undefined && !/"automatically_purge"\s*:\s*false/.test(String(row['text']))) return []
  if (row === undefined && database.get('SELECT 1 AS one FROM embeddings_queue LIMIT 1') === undefined)
    return []
  return [
    {
      id: 'LOG_NOT_PURGED',
      text: 'the log is not purged by itself after the upgrade, because it was in use before: purge it with "chroma-ops cleanup wal"',
    },
  ]
}
