import type { Metadata, MetadataScalar, MetadataValue } from '../core/metadata.js'
import type { SqlRow, SqlValue } from './sqlite.js'

/** Columns that hold the value of a metadata key: exactly one is not null. */
export interface StoredValue {
  readonly text: SqlValue
  readonly integer: SqlValue
  readonly double: SqlValue
  readonly boolean: SqlValue
}

/** As the server reads it: text, then integer, double, boolean. Undefined when all are null (a NaN was stored). */
export function metadataScalar({ text, integer, double, boolean }: StoredValue): MetadataScalar | undefined {
  if (typeof text === 'string') return text
  if (typeof integer === 'bigint') return integer
  if (typeof double === 'number') return double
  if (typeof double === 'bigint') return Number(double)
  return typeof boolean === 'bigint' ? boolean !== 0n : undefined
}

/** Rows of `key, str_value, int_value, float_value[, bool_value]` (0.4 had no booleans); null when there is none. */
export function metadataOfRows(rows: readonly SqlRow[]): Metadata | null {
  const metadata = new Map<string, MetadataValue>()
  for (const row of rows) {
    const value = metadataScalar({
      text: row['str_value'] ?? null,
      integer: row['int_value'] ?? null,
      double: row['float_value'] ?? null,
      boolean: row['bool_value'] ?? null,
    })
    if (value !== undefined) metadata.set(String(row['key']), value)
  }
  return metadata.size === 0 ? null : metadata
}
