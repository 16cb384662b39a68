import type { LastBackup } from '../health/offline/directory-report.js'
import type { CommandContext } from './context.js'
import { chosenSeries, openOwnRepository } from './repository-command.js'

/**
 * The newest complete backup in the repository of `--repo`: of the chosen series, else of this directory, else
 * of all. A physical backup is proven before it is committed; others once "backup verify" has read all of them, or
 * "backup drill" has restored them.
 */
export async function lastBackup(context: CommandContext, directory: string): Promise<LastBackup> {
  const repository = await openOwnRepository(context)
  const { listBackups, readableHeads } = await import('../backup/list-backups.js')
  const series = chosenSeries(context, undefined)
  const entries = await listBackups(repository, { series, signal: context.signal })
  const whole = readableHeads(entries).filter(
    ({ status, type }) => status === 'complete' && type !== 'collection',
  )
  const own = whole.filter(({ target }) => target.url.endsWith(directory))
  const [newest] = series === undefined && own.length > 0 ? own : whole
  if (newest === undefined) return { id: null, created: null, verified: null }
  const { readMark, VERIFIED } = await import('../backup/backup-marks.js')
  const verification = await readMark(repository, VERIFIED, newest.id, context.signal)
  return {
    id: newest.id,
    created: newest.created,
    verified: verification?.verified ?? (newest.type === 'physical' ? newest.finished : null),
  }
}
