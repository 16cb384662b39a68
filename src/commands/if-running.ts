import { Option } from 'commander'

import type { Repository } from '../backup/repository.js'
import type { RunningSession } from '../backup/running-sessions.js'
import type { CommandContext } from './context.js'

/** What a backup does while another one of its series is being made. */
export type IfRunning = 'fail' | 'wait' | 'skip'

export function ifRunningOption(): Option {
  return new Option(
    '--if-running <what>',
    'while another backup of the series is made: fail (11), wait for its end, or skip this one',
  )
    .choices(['fail', 'wait', 'skip'])
    .default('fail')
}

export interface BackupTurn {
  readonly repository: Repository
  readonly series: string
  readonly ifRunning: IfRunning
}

/** Makes the backup when it is its turn; null, and the result told, when it was skipped. */
export async function inTurn<T>(
  context: CommandContext,
  { repository, series, ifRunning }: BackupTurn,
  work: () => Promise<T>,
): Promise<T | null> {
  const { BackupRunningError, waitForSeries } = await import('../backup/running-sessions.js')
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof BackupRunningError) || ifRunning === 'fail') throw error
      if (ifRunning === 'skip') {
        tellSkipped(context, repository, error.session)
        return null
      }
      context.output.note(`${error.message}; waiting for its end`)
      await waitForSeries(repository, series, { signal: context.signal })
    }
  }
}

function tellSkipped({ output }: CommandContext, repository: Repository, running: RunningSession): void {
  const result = { repository: repository.store.displayUrl, backup: null, skipped: running }
  output.result(result, () => `skipped: ${running.backup} is being made (by ${running.actor ?? 'somebody'})`)
}
