import type { ObjectDamagedError } from './errors.js'
import type { VerifyProblem } from './verify-report.js'

/** What is wrong, before it is known which other backups need the object. */
export type Finding = Omit<VerifyProblem, 'backups'>

export function findingOf(error: ObjectDamagedError, collections: readonly string[]): Finding {
  const { code, problem, key, message } = error
  return { code, problem, key, message, collections }
}
