import { GuardError, IntegrityError, OpsError, type ErrorDetails } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { displayName, type CollectionName } from '../core/records.js'
import type { Comparison } from './comparison.js'

/** Names in messages; more are counted. */
const MAX_NAMES = 10

/** What was restored is not what was backed up. The target names are as they were. */
export class RestoreDiffersError extends IntegrityError {
  override readonly code = 'RESTORE_DIFFERS'
  readonly comparison: Comparison

  constructor(target: CollectionName, comparison: Comparison, details: ErrorDetails) {
    super(`${displayName(target)} was restored, but ${describe(comparison)}`, details)
    this.comparison = comparison
  }
}

/** Collections that have the target names. */
export class TargetExistsError extends GuardError {
  readonly names: readonly string[]

  constructor(targets: readonly CollectionName[], details: ErrorDetails = {}) {
    const names = targets.map(displayName)
    super('RESTORE_TARGET_EXISTS', `${namesText(names)} ${names.length === 1 ? 'exists' : 'exist'} already`, {
      hint: 'choose what happens to it with --mode replace, missing or overwrite, or another name with --rename',
      ...details,
    })
    this.names = names
  }
}

/** The server failed between the two renames of a swap: the target name is free, and both copies are there. */
export class SwapInterruptedError extends OpsError {
  override readonly code = 'RESTORE_SWAP_INTERRUPTED'
  override readonly exitCode = ExitCode.undecided

  constructor(target: CollectionName, keptAs: string, cause: unknown) {
    super(`${displayName(target)} is called ${keptAs} now: the server failed while it was being replaced`, {
      hint: 'run the same command again to finish, or rename it back',
      cause,
    })
  }
}

export function namesText(names: readonly string[]): string {
  const more = names.length - MAX_NAMES
  return names.slice(0, MAX_NAMES).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

function describe({ differing, missing, extra, orderDiffers, samples }: Comparison): string {
  const figures = [
    [differing, 'differ'],
    [missing, 'are missing'],
    [extra, 'should not be there'],
  ] as const
  const parts = figures.filter(([count]) => count > 0).map(([count, what]) => `${count} records ${what}`)
  if (orderDiffers) parts.push('the order differs')
  const [sample] = samples
  if (sample !== undefined)
    parts.push(`such as ${sample.id}: ${sample.field} is ${sample.actual} instead of ${sample.expected}`)
  return parts.join(', ')
}
