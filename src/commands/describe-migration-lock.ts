import type { LockDescription } from '../migrations/run/status.js'
import { instant } from '../output/format.js'
import type { Style } from '../output/style.js'

/** Who migrates now: all that one needs to know before one takes the lock away. */
export function describeLock(
  { owner, host, pid, runId, phase, since, lastBeat, id, stale }: LockDescription,
  style: Style,
): string[] {
  const life = lastBeat === null ? 'no sign of life since' : `last sign of life ${lastBeat} (its own clock)`
  const verdict = stale === null ? '' : stale ? `; ${style.bad('its run is dead')}` : '; alive'
  return [
    `${style.warning('locked')} by ${owner} on ${host} (pid ${pid}, run ${runId}) since ${since}, ${life}${verdict}`,
    ...(phase === '' ? [] : [`  at: ${phase}`]),
    `  lock id: ${id}`,
  ]
}

/** How long an old collection is kept. */
export function until(keepUntil: string | null): string {
  return keepUntil === null ? 'for ever' : `until ${instant(new Date(keepUntil))}`
}
