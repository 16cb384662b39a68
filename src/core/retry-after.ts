/** A day: longer waits are told, never slept. */
const MAX_MS = 24 * 60 * 60 * 1000

/**
 * The pause that a `Retry-After` header asks for, in milliseconds: seconds or an HTTP date (RFC 9110,
 * 10.2.3). Undefined when there is none or it makes no sense. `now`: milliseconds since 1970.
 */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  const text = value.trim()
  if (/^\d+(\.\d+)?$/.test(text)) return Math.min(MAX_MS, Math.ceil(Number(text) * 1000))
  // Date.parse takes many things for a date, a bare "-5" among them.
  if (!/^[A-Z][a-z]{2,8},? /.test(text)) return undefined
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.min(MAX_MS, Math.max(0, date - now))
}
