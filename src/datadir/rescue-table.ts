import { DatabaseDamagedError } from './errors.js'
import type { Database, SqlRow } from './sqlite.js'

/** What could be read of a table. */
export interface SalvagedTable {
  readonly name: string
  readonly rows: number
  /** Row ids that could not be read: from, to (inclusive); null: to an end that is not known. */
  readonly lost: readonly (readonly [bigint, bigint | null])[]
}

/** As far ahead as the next readable row is looked for: 2 to this power. */
const FARTHEST = 44

/**
 * Reads a table in the order of its row ids; where a page is damaged, goes on behind it. `take` gets each row
 * with its row id as `salvaged_rowid`.
 */
export function salvageTable(
  database: Database,
  name: string,
  columns: readonly string[],
  take: (row: SqlRow) => void,
): SalvagedTable {
  // A table that is read by row id needs none of its indexes, which may be damaged too.
  const list = ['rowid AS salvaged_rowid', ...columns.map(quoted)].join(', ')
  const sql = `SELECT ${list} FROM ${quoted(name)} NOT INDEXED WHERE rowid >= ? ORDER BY rowid`
  const probe = `SELECT * FROM ${quoted(name)} NOT INDEXED WHERE rowid >= ? ORDER BY rowid LIMIT 1`
  const lost: [bigint, bigint | null][] = []
  let rows = 0
  for (let from = 0n; ;) {
    let next = from
    const damaged = hitsDamage(() => {
      for (const row of database.iterate(sql, from)) {
        take(row)
        rows++
        const { salvaged_rowid: rowId } = row
        if (typeof rowId === 'bigint') next = rowId + 1n
      }
    })
    if (!damaged) return { name, rows, lost }
    const behind = nextReadable(database, probe, next)
    lost.push([next, behind === null ? null : behind - 1n])
    if (behind === null) return { name, rows, lost }
    from = behind
  }
}

/**
 * The first number behind `from` at which a query can be read again; null when there is none. `probe` reads the first
 * row that is not below its one parameter.
 */
export function nextReadable(database: Database, probe: string, from: bigint): bigint | null {
  const isReadable = (key: bigint) => !hitsDamage(() => database.get(probe, key))
  for (let power = 0; power <= FARTHEST; power++) {
    if (!isReadable(from + 2n ** BigInt(power))) continue
    let bad = power === 0 ? from : from + 2n ** BigInt(power - 1)
    let good = from + 2n ** BigInt(power)
    while (good - bad > 1n) {
      const middle = (bad + good) / 2n
      if (isReadable(middle)) good = middle
      else bad = middle
    }
    return good
  }
  return null
}

/** Whether `read` ran into damage. */
export function hitsDamage(read: () => void): boolean {
  try {
    read()
    return false
  } catch (error) {
    if (error instanceof DatabaseDamagedError) return true
    throw error
  }
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
