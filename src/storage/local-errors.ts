import { asError, errnoOf, OpsError } from '../core/errors.js'
import { StoreAccessError, StoreError, StoreFullError, StoreUnreachableError } from './blob-store.js'

const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG']
const ACCESS = ['EACCES', 'EPERM', 'EROFS']
/** Actions, by their first word, that need no right to write. */
const READING = /^(open|read|list|look) /
/** Network file systems: the server may come back. */
const UNREACHABLE = [
  'ESTALE',
  'ETIMEDOUT',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTCONN',
]

/** What a failed file operation means for a store; errors that are already explained pass through. */
export function localError(thrown: unknown, action: string): Error {
  if (thrown instanceof OpsError) return thrown
  const cause = asError(thrown)
  const code = errnoOf(thrown)
  const message = `cannot ${action}: ${EXPLAINED[code ?? ''] ?? cause.message}`
  if (code === undefined) return new StoreError(message, { cause })
  const verb = READING.test(action) && code !== 'EROFS' ? 'read' : 'write'
  if (FULL.includes(code))
    return new StoreFullError(message, {
      cause,
      hint: 'free space, or use another disk; what was stored before is unchanged',
    })
  if (ACCESS.includes(code))
    return new StoreAccessError(message, { cause, hint: `let the user that runs chroma-ops ${verb} there` })
  if (UNREACHABLE.includes(code))
    return new StoreUnreachableError(message, { cause, hint: 'check that its file server is up and mounted' })
  return new StoreError(message, { cause })
}

const EXPLAINED: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the disk (ENOSPC)',
  EDQUOT: 'the disk quota is used up (EDQUOT)',
  EFBIG: 'the file size limit is reached (EFBIG)',
  EACCES: 'permission denied (EACCES)',
  EPERM: 'permission denied (EPERM)',
  EROFS: 'the file system is read-only (EROFS)',
}
