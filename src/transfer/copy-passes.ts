import type { ReadConsistency } from '../core/records.js'
import type { Tolerated } from './comparison.js'
import { copyPass, type CopyPassJob, type CopyPassResult } from './copy-pass.js'

export interface CopyPassesJob extends Omit<CopyPassJob, 'number' | 'apply'> {
  readonly maxPasses: number
}

/** The figures of all passes over one collection. */
export interface CopyPassesResult {
  readonly passes: number
  /** Of the last pass. */
  readonly records: number
  readonly extra: number
  readonly withoutVector: number
  readonly orderDiffers: boolean
  readonly tolerated: Tolerated
  readonly consistency: ReadConsistency
  /** What the last pass has written or deleted. */
  readonly lastChanges: number
  /** The last pass found source and target equal. */
  readonly equal: boolean
  /** Of all passes. */
  readonly added: number
  readonly changed: number
  readonly deleted: number
}

/** One in so many records may be behind when a source is written to all the time. */
const NEARLY = 1000

/**
 * Compares source and target and writes what differs, again and again, until a pass finds nothing, or nearly
 * nothing because the source is being written to, or `maxPasses` is reached.
 */
export async function copyPasses(job: CopyPassesJob): Promise<CopyPassesResult> {
  const sum = { added: 0, changed: 0, deleted: 0 }
  for (let passes = 1; ; passes++) {
    const pass = await copyPass({ ...job, number: passes, apply: true })
    const changed = job.change ? pass.differing : 0
    const changes = pass.missing + changed + pass.removed
    sum.added += pass.missing
    sum.changed += changed
    sum.deleted += pass.removed
    const isLast = passes >= job.maxPasses || (passes > 1 && changes <= pass.records / NEARLY)
    if (changes > 0 && !isLast) continue
    return { ...sum, ...lastOf(pass), passes, lastChanges: changes }
  }
}

function lastOf(pass: CopyPassResult) {
  const { records, extra, withoutVector, orderDiffers, tolerated, consistency, removed } = pass
  const equal = pass.missing + pass.differing + extra + removed === 0
  return { records, extra, withoutVector, orderDiffers, tolerated, consistency, equal }
}
