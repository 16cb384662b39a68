import type { Verification } from '../backup/backup-marks.js'
import type { Repository } from '../backup/repository.js'
import { asError, OpsError } from '../core/errors.js'
import type { CommandContext } from './context.js'

/**
 * Notes in the repository that all of a backup was found right, or that it was found damaged: retention keeps the
 * newest one that is known to be right. A drill is noted for itself too, with the time that recovery took. Whoever may only read verifies all the same, with a warning.
 */
export async function recordVerification(
  context: CommandContext,
  repository: Repository,
  backup: string,
  how: Verification['how'] | 'damaged',
  recoveryMs?: number,
): Promise<void> {
  const { actor, host, output, settings, signal } = context
  const [{ catalogue }, { putMark, removeMark, DRILLED, VERIFIED }] = await Promise.all([
    import('../config/catalogue.js'),
    import('../backup/backup-marks.js'),
  ])
  if (settings.value(catalogue.readOnly)) return
  try {
    if (how === 'damaged') await removeMark(repository, VERIFIED, backup, signal)
    else {
      const now = host.now().toISOString()
      await putMark(repository, VERIFIED, backup, { verified: now, how, actor }, signal)
      if (recoveryMs !== undefined)
        await putMark(repository, DRILLED, backup, { drilled: now, recoveryMs, actor }, signal)
    }
  } catch (error) {
    if (!(error instanceof OpsError)) throw error
    output.warn({
      code: 'VERIFICATION_NOT_RECORDED',
      message: `that ${backup} was verified could not be recorded: ${asError(error).message}`,
    })
  }
}
