import { types } from 'node:util'

import type { SqlRow, SqlValue } from './sqlite.js'
import type { Driver, DriverStatement } from './sqlite-driver.js'

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
const TEXT = 0x74
/** Statements that only read and can stand in a FROM clause. */
const QUERY = /^\s*(?:select|values|with(?![\s\S]*\b(?:insert|update|delete|replace)\b))\b/i

/**
 * One run of a statement. Queries are asked for through a wrapper: text comes as bytes (libsql ends the whole
 * process on text that is not UTF-8, and both libraries cut text at a NUL), and a last parameter switches the
 * query off, which is the only way to make libsql let go of its read lock before the last row.
 */
export class SqlStatement {
  readonly #names: readonly string[]
  readonly #statement: DriverStatement
  readonly #parameters: readonly SqlValue[]
  readonly #rows: Iterator<readonly unknown[]>
  readonly #wrapped: boolean
  #ended = false

  constructor(driver: Driver, sql: string, parameters: readonly SqlValue[]) {
    const plain = driver.prepare(sql)
    this.#names = plain.columns()
    this.#parameters = parameters
    this.#wrapped = QUERY.test(sql)
    this.#statement = this.#wrapped ? driver.prepare(wrap(sql, this.#names.length)) : plain
    this.#rows = this.#wrapped
      ? this.#statement.rows([...parameters, 1n])
      : [...rowsOf(this.#statement.rows(parameters))].values()
  }

  /** Undefined at the end. */
  next(): SqlRow | undefined {
    if (this.#ended) return undefined
    const step = this.#rows.next()
    if (step.done !== true) return this.#row(step.value)
    this.#ended = true
    return undefined
  }

  /** Lets go of the read lock. */
  release(): void {
    if (this.#ended) return
    this.#ended = true
    this.#rows.return?.()
    if (this.#wrapped) this.#statement.rows([...this.#parameters, 0n]).next()
  }

  #row(values: readonly unknown[]): SqlRow {
    const row: Record<string, SqlValue> = {}
    for (const [index, name] of this.#names.entries())
      row[name] = this.#wrapped ? unwrapped(values[index]) : plainValue(values[index])
    return row
  }
}

/** The first column of the first row, when it is a BLOB. All rows are read, so that no lock stays. */
export function readBlob(driver: Driver, sql: string, parameters: readonly SqlValue[]): Uint8Array {
  const [first] = [...rowsOf(driver.prepare(sql).rows(parameters))]
  return bytesOf(first?.[0]) ?? new Uint8Array(0)
}

function wrap(sql: string, columns: number): string {
  const names = Array.from({ length: columns }, (_, index) => `c${index}`)
  const values = names.map(
    (name) =>
      `CASE typeof(${name}) WHEN 'text' THEN CAST('t' || ${name} AS BLOB) ` +
      `WHEN 'blob' THEN CAST('b' || ${name} AS BLOB) ELSE ${name} END AS ${name}`,
  )
  const inner = sql.replace(/[\s;]+$/, '')
  return `WITH wrapped(${names.join(',')}) AS (${inner}\n) SELECT ${values.join(', ')} FROM wrapped WHERE ?`
}

function unwrapped(value: unknown): SqlValue {
  const bytes = bytesOf(value)
  if (bytes === undefined) return plainValue(value)
  const content = bytes.subarray(1)
  return bytes[0] === TEXT ? utf8.decode(content) : content
}

function plainValue(value: unknown): SqlValue {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'string') return value
  return bytesOf(value) ?? null
}

/** libsql gives an `ArrayBuffer` or a `Buffer`, node:sqlite a `Uint8Array`; of this realm or of another one. */
function bytesOf(value: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  return types.isArrayBuffer(value) ? new Uint8Array(value) : undefined
}

function* rowsOf(rows: Iterator<readonly unknown[]>): Generator<readonly unknown[], void, undefined> {
  for (let step = rows.next(); step.done !== true; step = rows.next()) yield step.value
}
