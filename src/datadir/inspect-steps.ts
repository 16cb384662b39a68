import { setImmediate } from 'node:timers/promises'

import { throwIfAborted } from '../core/errors.js'
import type { Database, SqlRow, SqlValue } from './sqlite.js'

/** Rows of one statement. A running server's writers wait for readers, so no statement may take long. */
export const STEP_ROWS = 20_000

/** What is counted: `table AS t`, in the order of an indexed column, where a condition on `t` holds. */
export interface CountJob {
  readonly table: string
  /** Indexed, and an integer in all rows. */
  readonly key: string
  readonly where: string
}

/** Counts in small steps, between which writers and the event loop get their turn. */
export async function countInSteps(
  database: Database,
  { table, key, where }: CountJob,
  signal?: AbortSignal,
): Promise<number> {
  let count = 0
  let after: SqlValue = null
  for (;;) {
    throwIfAborted(signal)
    const behind: string = after === null ? '' : `AND t.${key} > ?`
    const values: readonly SqlValue[] = after === null ? [] : [after]
    const last: SqlValue | undefined = database.get(
      `SELECT t.${key} AS last FROM ${table} AS t WHERE true ${behind} ORDER BY t.${key} LIMIT 1 OFFSET ${STEP_ROWS}`,
      ...values,
    )?.['last']
    const upTo = last === undefined ? '' : `AND t.${key} <= ?`
    const row = database.get(
      `SELECT count(*) AS n FROM ${table} AS t WHERE (${where}) ${behind} ${upTo}`,
      ...values,
      ...(last === undefined ? [] : [last]),
    )
    count += Number(row?.['n'] ?? 0)
    if (last === undefined) return count
    after = last
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
