import { parseJson, type JsonValue } from '../core/json.js'
import type { CollectionDefinition } from '../core/records.js'
import { shownParameters } from './index-parameters.js'
import type { MigrationFingerprint } from './migrations.js'
import type { Database, SqlRow, SqlValue } from './sqlite.js'
import { metadataOfRows } from './stored-metadata.js'

/** The migration of `sysdb` that brought schemas. */
const SCHEMA_MIGRATION = 10

/**
 * Every collection of every tenant and database, sorted by tenant, database and name. Collections whose
 * database is gone are left out, as a server leaves them out.
 */
export function readDefinitions(
  database: Database,
  fingerprint: MigrationFingerprint,
): readonly CollectionDefinition[] {
  const metadata = groupBy(database.all('SELECT * FROM collection_metadata'), 'collection_id')
  const legacy = groupBy(
    database.all(
      `SELECT m.*, s.collection FROM segment_metadata m JOIN segments s ON s.id = m.segment_id
       WHERE s.scope = 'VECTOR'`,
    ),
    'collection',
  )
  const rows = database.all(
    'SELECT c.*, d.name AS own_database, d.tenant_id AS own_tenant FROM collections c JOIN databases d ON d.id = c.database_id',
  )
  const definitions = rows.map((row): CollectionDefinition => {
    const id = String(row['id'])
    const { dimension = null } = row
    return {
      tenant: String(row['own_tenant']),
      database: String(row['own_database']),
      name: String(row['name']),
      id,
      metadata: metadataOfRows(metadata.get(id) ?? []),
      dimension: typeof dimension === 'bigint' ? Number(dimension) : null,
      ...shownParameters({
        config: jsonIn(row['config_json_str']),
        schema: jsonIn(row['schema_str']),
        legacy: metadataOfRows(legacy.get(id) ?? []),
        withSchema: fingerprint.sysdb >= SCHEMA_MIGRATION,
      }),
    }
  })
  return definitions.sort(byAddress)
}

function jsonIn(text: SqlValue | undefined): JsonValue {
  return typeof text === 'string' && text !== '' ? parseJson(text) : null
}

function groupBy(rows: readonly SqlRow[], column: string): ReadonlyMap<string, readonly SqlRow[]> {
  const groups = new Map<string, SqlRow[]>()
  for (const row of rows) {
    const key = String(row[column])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [row])
    else group.push(row)
  }
  return groups
}

function byAddress(a: CollectionDefinition, b: CollectionDefinition): number {
  return compare(a.tenant, b.tenant) || compare(a.database, b.database) || compare(a.name, b.name)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
