import { throwIfAborted } from '../core/errors.js'
import type { ValueFacts } from './inspect-values.js'
import { countInSteps, tablesOf } from './inspect-steps.js'
import type { Database } from './sqlite.js'

/** Rows that refer to something that is gone. Foreign keys are off in Chroma's database. */
export interface OrphanRows {
  readonly kind: OrphanKind
  readonly rows: number
  /** What identifies some of them, at most 5. */
  readonly examples: readonly string[]
}

export type OrphanKind =
  | 'segments'
  | 'collections'
  | 'databases'
  | 'records'
  | 'metadata'
  | 'arrays'
  | 'documents'
  | 'collection metadata'
  | 'segment metadata'
  | 'sequence numbers'
  | 'log'

interface Rule {
  readonly kind: OrphanKind
  readonly table: string
  readonly key: string
  /** That the condition refers to. */
  readonly columns: readonly string[]
  /** What to show of a row. */
  readonly name: string
  readonly where: string
  /** Other tables that the condition needs. */
  readonly needs: readonly string[]
}

const rules: readonly Rule[] = [
  {
    kind: 'segments',
    table: 'segments',
    key: 'rowid',
    columns: ['collection'],
    name: 't.id',
    where: 't.collection IS NULL OR t.collection NOT IN (SELECT id FROM collections)',
    needs: ['collections'],
  },
  {
    kind: 'collections',
    table: 'collections',
    key: 'rowid',
    columns: ['database_id'],
    name: 't.name',
    where: 't.database_id NOT IN (SELECT id FROM databases)',
    needs: ['databases'],
  },
  {
    kind: 'databases',
    table: 'databases',
    key: 'rowid',
    columns: ['tenant_id'],
    name: "t.tenant_id || '/' || t.name",
    where: 't.tenant_id NOT IN (SELECT id FROM tenants)',
    needs: ['tenants'],
  },
  {
    kind: 'records',
    table: 'embeddings',
    key: 'id',
    columns: ['segment_id'],
    name: 't.embedding_id',
    where: 't.segment_id NOT IN (SELECT id FROM segments)',
    needs: ['segments'],
  },
  ofRecords('metadata', 'embedding_metadata', 'id'),
  ofRecords('arrays', 'embedding_metadata_array', 'rowid', 'id'),
  ofRecords('documents', 'embedding_fulltext_search_content', 'id'),
  {
    kind: 'collection metadata',
    table: 'collection_metadata',
    key: 'rowid',
    columns: ['collection_id'],
    name: 't.collection_id',
    where: 't.collection_id NOT IN (SELECT id FROM collections)',
    needs: ['collections'],
  },
  ofSegments('segment metadata', 'segment_metadata'),
  ofSegments('sequence numbers', 'max_seq_id'),
  {
    kind: 'log',
    table: 'embeddings_queue',
    key: 'seq_id',
    columns: ['topic'],
    name: 't.topic',
    where: 'substr(t.topic, -36) NOT IN (SELECT id FROM collections)',
    needs: ['collections'],
  },
]

/** Every kind of which there are rows; those among the values of records have been counted already. */
export async function findOrphanRows(
  database: Database,
  values: ValueFacts,
  signal?: AbortSignal,
): Promise<readonly OrphanRows[]> {
  const tables = tablesOf(database)
  const found: OrphanRows[] = []
  for (const rule of rules) {
    if (![rule.table, ...rule.needs].every((table) => tables.has(table))) continue
    throwIfAborted(signal)
    const rows = countedOf(rule, values) ?? (await countInSteps(database, rule, signal))
    if (rows > 0) found.push({ kind: rule.kind, rows, examples: examplesOf(database, rule) })
  }
  return found
}

function countedOf({ kind }: Rule, { orphanValues, orphanTexts }: ValueFacts): number | undefined {
  if (kind === 'metadata') return orphanValues
  return kind === 'documents' ? orphanTexts : undefined
}

function examplesOf(database: Database, { table, where, name }: Rule): readonly string[] {
  return database
    .all(`SELECT DISTINCT ${name} AS name FROM ${table} AS t WHERE ${where} LIMIT 5`)
    .map((row) => String(row['name']))
}

function ofRecords(kind: OrphanKind, table: string, key: string, id = key): Rule {
  const where = `NOT EXISTS (SELECT 1 FROM embeddings AS e WHERE e.id = t.${id})`
  return { kind, table, key, columns: [id], name: `t.${id}`, where, needs: ['embeddings'] }
}

function ofSegments(kind: OrphanKind, table: string): Rule {
  return {
    kind,
    table,
    key: 'rowid',
    columns: ['segment_id'],
    name: 't.segment_id',
    where: 't.segment_id NOT IN (SELECT id FROM segments)',
    needs: ['segments'],
  }
}
