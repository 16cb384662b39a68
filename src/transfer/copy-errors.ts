import { IntegrityError, OpsError } from '../core/errors.js'
import type { ExitCode } from '../core/exit-code.js'
import type { Progress } from '../core/progress.js'
import { displayName, type CollectionName } from '../core/records.js'
import type { Difference } from './comparison.js'

/** What was written to the target is not what the source has. New collections have not got their names. */
export class CopyDiffersError extends IntegrityError {
  override readonly code = 'COPY_DIFFERS'
  readonly samples: readonly Difference[]

  constructor(target: CollectionName, records: number, samples: readonly Difference[]) {
    const [sample] = samples
    const example =
      sample === undefined
        ? ''
        : `, such as ${sample.id}: ${sample.field} is ${sample.actual} instead of ${sample.expected}`
    super(`${records} records that were written to ${displayName(target)} read back otherwise${example}`, {
      hint: 'stop others that write to the target, and run the same copy again',
    })
    this.samples = samples
  }
}

/** A failure of the engine that copies and restores share, under a name of the copy's. */
export class CopyError extends OpsError {
  override readonly code: string
  override readonly exitCode: ExitCode

  constructor(error: OpsError) {
    super(error.message, { hint: error.hint, cause: error })
    this.code = copyCode(error.code)
    this.exitCode = error.exitCode
  }
}

/** Does work of the shared engine; its failures and warnings are told as those of a copy. */
export async function asCopy<T>(progress: Progress, work: (progress: Progress) => Promise<T>): Promise<T> {
  try {
    return await work({
      update: (event) => {
        progress.update(event)
      },
      warn: (warning) => {
        progress.warn({ ...warning, code: copyCode(warning.code) })
      },
    })
  } catch (error) {
    if (error instanceof OpsError && error.code.startsWith(PREFIX)) throw new CopyError(error)
    throw error
  }
}

const PREFIX = 'RESTORE_'

function copyCode(code: string): string {
  return code.startsWith(PREFIX) ? `COPY_${code.slice(PREFIX.length)}` : code
}
