import type { Progress } from '../../core/progress.js'

/** Several calls fail at once, and each of them again and again. */
const PAUSE_MS = 5_000

/**
 * Tells the operator that an embedding provider failed and is asked again, so that nobody wonders why nothing
 * moves: at once, and then every few seconds at most, with how often it was in between.
 */
export function retryNotes(
  progress: Pick<Progress, 'warn'>,
  now: () => number = () => performance.now(),
): (message: string) => void {
  let [last, untold] = [Number.NEGATIVE_INFINITY, 0]
  return (message) => {
    if (now() - last < PAUSE_MS) {
      untold++
      return
    }
    const more = untold === 0 ? '' : ` (and ${untold} more since the last note)`
    progress.warn({ code: 'PROVIDER_RETRIED', message: `${message}${more}` })
    ;[last, untold] = [now(), 0]
  }
}
