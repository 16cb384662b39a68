import { quoted } from './rescue-table.js'
import type { Database, SqlRow, SqlValue } from './sqlite.js'

const COMMIT_AFTER = 10_000
/** Rows of one statement: preparing one takes longer than a row. */
const ROWS_AT_ONCE = 100

/** Writes rows of a damaged table into one of a private copy, under the row ids that they had. */
export class RowWriter {
  readonly #target: Database
  readonly #head: string
  readonly #columns: readonly string[]
  #waiting: SqlValue[] = []
  #rows = 0
  #uncommitted = 0

  constructor(target: Database, name: string, columns: readonly string[]) {
    this.#target = target
    this.#columns = columns
    // Lists keep their order by row id. A row that says the same again is of a damaged page.
    this.#head = `INSERT OR IGNORE INTO ${quoted(name)} (rowid, ${columns.map(quoted).join(', ')}) VALUES `
    target.exec('BEGIN')
  }

  /** The row id is its member `salvaged_rowid`. */
  add(row: SqlRow): void {
    const values = ['salvaged_rowid', ...this.#columns].map((column) => row[column] ?? null)
    if (values.some(holdsNul)) {
      this.#flush()
      // A text parameter would end at a NUL.
      const places = values.map((value) => (holdsNul(value) ? 'CAST(? AS TEXT)' : '?'))
      const bound = values.map((value) => (holdsNul(value) ? Buffer.from(String(value)) : value))
      this.#target.run(`${this.#head}(${places.join(', ')})`, ...bound)
      return
    }
    this.#waiting.push(...values)
    if (++this.#rows >= ROWS_AT_ONCE) this.#flush()
  }

  end(): void {
    this.#flush()
    this.#target.exec('COMMIT')
  }

  #flush(): void {
    if (this.#rows === 0) return
    const places = `(${['?', ...this.#columns.map(() => '?')].join(', ')})`
    this.#target.run(`${this.#head}${new Array(this.#rows).fill(places).join(', ')}`, ...this.#waiting)
    this.#uncommitted += this.#rows
    this.#waiting = []
    this.#rows = 0
    if (this.#uncommitted < COMMIT_AFTER) return
    this.#target.exec('COMMIT; BEGIN')
    this.#uncommitted = 0
  }
}

function holdsNul(value: SqlValue): boolean {
  return typeof value === 'string' && value.includes('\0')
}
