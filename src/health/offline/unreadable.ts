import { OpsError } from '../../core/errors.js'
import { DatabaseBusyError, DatabaseOverwrittenError, SqliteMissingError } from '../../datadir/errors.js'
import type { Observation } from './catalogue.js'

/** What a damaged database makes fail is a finding; the rest of the checks goes on. Other errors are thrown. */
export async function readable<T>(read: () => Promise<T>): Promise<T | Observation> {
  try {
    return await read()
  } catch (error) {
    return unreadable(error)
  }
}

export function unreadable(error: unknown): Observation {
  const isOurs = error instanceof OpsError && DAMAGE.has(error.code)
  if (!isOurs || error instanceof DatabaseBusyError || error instanceof SqliteMissingError) throw error
  if (error instanceof DatabaseOverwrittenError)
    return { id: 'DATABASE_OVERWRITTEN', evidence: error.message }
  return {
    id: error.code === 'DATABASE_DAMAGED' ? 'DATABASE_DAMAGED' : 'DATABASE_UNREADABLE',
    evidence: error.message,
  }
}

/** Codes of errors that a damaged or foreign file leads to. */
const DAMAGE = new Set(['DATABASE_DAMAGED', 'DATABASE_FAILED', 'DATABASE_JOURNAL', 'NOT_A_DATA_DIRECTORY'])
