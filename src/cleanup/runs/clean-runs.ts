import { throwIfAborted } from '../../core/errors.js'
import { failureOf } from '../remove-directories.js'
import type { CleanupFailure } from '../report.js'
import type { LeftAlone, Leftover, LeftoverPlace, RunsResult } from './leftover.js'

export interface RunsJob {
  readonly places: readonly LeftoverPlace[]
  /** False: only tell. */
  readonly apply: boolean
  readonly signal?: AbortSignal | undefined
}

/** Removes what dead runs of chroma-ops have left. One thing that cannot be removed does not stop the others. */
export async function cleanRuns({ places, apply, signal }: RunsJob): Promise<RunsResult> {
  const started = performance.now()
  const removed: Leftover[] = []
  const leftAlone: LeftAlone[] = []
  const errors: CleanupFailure[] = []
  for (const place of places) {
    for (const leftover of await place.find(signal)) {
      throwIfAborted(signal)
      try {
        if (apply) await place.remove(leftover, signal)
        removed.push(leftover)
      } catch (error) {
        throwIfAborted(signal)
        errors.push(failureOf(leftover.name, error))
      }
    }
    leftAlone.push(...((await place.leftAlone?.(signal)) ?? []))
  }
  return {
    applied: apply,
    removed,
    leftAlone,
    freedBytes: apply ? removed.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0) : 0,
    errors,
    durationMs: Math.round(performance.now() - started),
  }
}
