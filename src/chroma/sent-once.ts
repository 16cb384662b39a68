import { retryHints } from '../core/retry-hints.js'
import { ChromaServerError } from './errors.js'

/** So many lost answers in a row to one request mean that something else is wrong. */
const ATTEMPTS = 5

/**
 * A request that must not be repeated blindly: when its outcome is unknown, `readBack` tells whether it took
 * effect, and only if not it is sent again. Repeated reads are as patient as the transport, so there is no
 * pause here.
 */
export async function sendOnce<T>(call: {
  readonly send: () => Promise<T>
  /** The result if the request took effect, else undefined. Throws when that cannot be told. */
  readonly readBack: () => Promise<T | undefined>
}): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call.send()
    } catch (error) {
      if (!outcomeIsUnknown(error)) throw error
      const result = await call.readBack()
      if (result !== undefined) return result
      if (attempt === ATTEMPTS || retryHints(error).retryable !== true) throw error
    }
  }
}

function outcomeIsUnknown(error: unknown): boolean {
  const { retryable, unprocessed } = retryHints(error)
  return (retryable === true && unprocessed !== true) || error instanceof ChromaServerError
}
