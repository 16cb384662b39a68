import type { Database, SqlValue } from './sqlite.js'

/**
 * A sequence number as Chroma stores it: INTEGER since 1.0, before that 8 bytes with the highest first. Null
 * for anything else.
 */
export function seqIdOf(value: SqlValue | undefined): bigint | null {
  if (typeof value === 'bigint') return value
  if (!(value instanceof Uint8Array) || value.length === 0 || value.length > 8) return null
  return value.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n)
}

/** The last operation that a segment has applied and saved; null when it has never saved. */
export function maxSeqIdOf(database: Database, segmentId: string): bigint | null {
  return seqIdOf(database.get('SELECT seq_id FROM max_seq_id WHERE segment_id = ?', segmentId)?.['seq_id'])
}
