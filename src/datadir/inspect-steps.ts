import { setImmediate } from 'node:timers/promises'

import { throwIfAborted } from '../core/errors.js'
import type { Database, SqlRow, SqlValue } from './sqlite.js'

/** Rows of one statement. A running server's writers wait for readers, so no statement may take long. */
export const STEP_ROWS = 20_000

/** A table to go through, as `t`, in the order of an indexed column. */
export interface StepJob {
  readonly table: string
  /** Indexed, unique, and an integer in all rows. */
  readonly key: string
  /** Of `t`, what joins and conditions refer to. */
  readonly columns: readonly string[]
  /** With other tables, each with at most one row for a row of `t`. */
  readonly joins?: string
}

/** Counts the rows for which a condition on `t` holds. */
export async function countInSteps(
  database: Database,
  { where, ...job }: StepJob & { readonly where: string },
  signal?: AbortSignal,
): Promise<number> {
  const [count = 0] = await countsInSteps(database, { ...job, conditions: [where] }, signal)
  return count
}

/**
 * Counts for several conditions at once, since reading is what takes the time; in small steps, between which
 * writers and the event loop get their turn.
 */
export async function countsInSteps(
  database: Database,
  job: StepJob & { readonly conditions: readonly string[] },
  signal?: AbortSignal,
): Promise<readonly number[]> {
  const { table, key, columns, joins = '', conditions } = job
  const wanted = [...new Set([key, ...columns])].map((column) => `${column} AS ${column}`)
  const counted = conditions.map(
    (condition, index) => `count(CASE WHEN ${condition} THEN 1 END) AS n${index}`,
  )
  const counts = conditions.map(() => 0)
  let after: SqlValue = null
  for (;;) {
    throwIfAborted(signal)
    const behind: string = after === null ? '' : `WHERE ${key} > ?`
    const row: SqlRow | undefined = database.get(
      `SELECT count(*) AS step_rows, max(t.${key}) AS step_last, ${counted.join(', ')}
       FROM (SELECT ${wanted.join(', ')} FROM ${table} ${behind} ORDER BY ${key} LIMIT ${STEP_ROWS}) AS t ${joins}`,
      ...(after === null ? [] : [after]),
    )
    for (const index of counts.keys()) counts[index] = (counts[index] ?? 0) + Number(row?.[`n${index}`] ?? 0)
    if (Number(row?.['step_rows'] ?? 0) < STEP_ROWS) return counts
    after = row?.['step_last'] ?? null
    await setImmediate()
  }
}

/**
 * The rows of `SELECT columns FROM table WHERE condition` in the order of `key`, which must be unique among
 * them, and is among the columns under the name `key`: an integer, or the bytes of a text, which need not be UTF-8.
 * Held locks are short, memory is bounded.
 */
export async function* rowsInSteps(
  database: Database,
  job: {
    readonly table: string
    readonly columns: string
    readonly key: string
    readonly where: string
    readonly values: readonly SqlValue[]
    readonly keyType: 'integer' | 'text'
    readonly after?: SqlValue
  },
  signal?: AbortSignal,
): AsyncGenerator<SqlRow> {
  const [key, bound] =
    job.keyType === 'text' ? [`CAST(${job.key} AS BLOB)`, 'CAST(? AS TEXT)'] : [job.key, '?']
  let after = job.after ?? null
  for (;;) {
    throwIfAborted(signal)
    const rows: readonly SqlRow[] = database.all(
      `SELECT ${job.columns}, ${key} AS key FROM ${job.table} WHERE (${job.where}) ${after === null ? '' : `AND ${job.key} > ${bound}`} ORDER BY ${job.key} LIMIT ${STEP_ROWS}`,
      ...job.values,
      ...(after === null ? [] : [after]),
    )
    yield* rows
    const last = rows.at(-1)?.['key']
    if (rows.length < STEP_ROWS || last === undefined) return
    after = last
    await setImmediate()
  }
}

/** The names of all tables. */
export function tablesOf(database: Database): ReadonlySet<string> {
  return new Set(
    database
      .all("SELECT name FROM sqlite_master WHERE type = 'table'")
      .map(({ name }) => (typeof name === 'string' ? name : '')),
  )
}

/** A sequence number: INTEGER since Chroma 1.0, before that a BLOB of 8 bytes, big-endian. Null for anything else. */
export function seqIdOf(value: SqlValue | undefined): bigint | null {
  if (typeof value === 'bigint') return value
  if (!(value instanceof Uint8Array) || value.length !== 8) return null
  return new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0)
}
