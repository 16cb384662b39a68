import { setTimeout as pause } from 'node:timers/promises'

/** Below the limit of a test, so that it is said what did not come. */
const LIMIT_MS = 50_000

/** Asks again and again, and rejects with what was waited for when it has not come in time. */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { limitMs = LIMIT_MS, pollMs = 20 }: { readonly limitMs?: number; readonly pollMs?: number } = {},
): Promise<void> {
  const began = Date.now()
  while (!(await condition())) {
    if (Date.now() - began > limitMs) throw new Error(`${limitMs} ms have passed without this: ${what}`)
    await pause(pollMs)
  }
}

/** The same for something that is on its way. */
export async function within<T>(what: string, coming: Promise<T>, limitMs = LIMIT_MS): Promise<T> {
  const late = new AbortController()
  const limit = pause(limitMs, undefined, { signal: late.signal }).then(() => {
    throw new Error(`${limitMs} ms have passed without this: ${what}`)
  })
  // Ended below.
  limit.catch(() => {})
  try {
    return await Promise.race([coming, limit])
  } finally {
    late.abort()
  }
}
