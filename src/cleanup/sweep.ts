import { setImmediate } from 'node:timers/promises'

import { throwIfAborted } from '../core/errors.js'
import type { Database, SqlValue } from '../datadir/sqlite.js'
import type { RowRule } from './row-rules.js'

/** Rows of a table between two keys: above the first, up to the second. */
export interface Window {
  readonly above: bigint
  readonly upTo: bigint
}

/** A running server's writers wait for readers, and its readers for waiting writers: no statement may take long. */
const STEP_ROWS = 20_000

/** The windows in which rows that fit the rule are, with their number. One short statement at a time. */
export async function* windowsOf(
  database: Database,
  rule: RowRule,
  signal?: AbortSignal,
): AsyncGenerator<Window & { readonly count: number; readonly bytes: number }> {
  const table = sourceOf(rule)
  const size = sizeOf(database, table)
  let above = LOWEST
  for (;;) {
    throwIfAborted(signal)
    const edge = database.get(
      `SELECT ${rule.key} AS key FROM main.${table} WHERE ${rule.key} > ? ORDER BY ${rule.key} LIMIT 1 OFFSET ${STEP_ROWS - 1}`,
      above,
    )?.['key']
    const upTo = typeof edge === 'bigint' ? edge : HIGHEST
    const row = database.get(
      `SELECT count(*) AS count, coalesce(sum(${size}), 0) AS bytes FROM main.${table} AS t
       WHERE t.${rule.key} > ? AND t.${rule.key} <= ? AND (${rule.where})`,
      above,
      upTo,
    )
    const count = Number(row?.['count'] ?? 0)
    if (count > 0) yield { above, upTo, count, bytes: Number(row?.['bytes'] ?? 0) }
    if (upTo === HIGHEST) return
    above = upTo
    await setImmediate()
  }
}

/** Where at most `rows` fitting rows of a window end. */
export function cut(database: Database, rule: RowRule, { above, upTo }: Window, rows: number): Window | null {
  const last = database.get(
    `SELECT max(key) AS last FROM (SELECT t.${rule.key} AS key FROM main.${sourceOf(rule)} AS t
     WHERE t.${rule.key} > ? AND t.${rule.key} <= ? AND (${rule.where}) ORDER BY t.${rule.key} LIMIT ${rows})`,
    above,
    upTo,
  )?.['last']
  return typeof last === 'bigint' ? { above, upTo: last } : null
}

/** Names of some rows that fit. */
export function examplesOf(database: Database, rule: RowRule, { above, upTo }: Window): readonly string[] {
  return database
    .all(
      `SELECT DISTINCT ${rule.name} AS name FROM main.${sourceOf(rule)} AS t
       WHERE t.${rule.key} > ? AND t.${rule.key} <= ? AND (${rule.where}) LIMIT 5`,
      above,
      upTo,
    )
    .map(({ name }) => textOf(name))
}

export function sourceOf({ table, readFrom }: RowRule): string {
  return readFrom ?? table
}

export function columnsOf(database: Database, table: string, schema = 'main'): readonly string[] {
  return database
    .all(`SELECT name FROM pragma_table_info(?, ?)`, table, schema)
    .map(({ name }) => textOf(name))
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

const LOWEST = -(2n ** 63n)
const HIGHEST = 2n ** 63n - 1n

/** Bytes of a row `t`, without what SQLite adds. */
function sizeOf(database: Database, table: string): string {
  return columnsOf(database, table)
    .map((column) => `coalesce(length(CAST(t.${quoted(column)} AS BLOB)), 0)`)
    .join(' + ')
}

function textOf(value: SqlValue | undefined): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value ?? '')
}
