import { Command } from 'commander'

import { act } from './command.js'
import { withAudit } from './audit.js'
import type { Launcher } from './context.js'

interface InitResult {
  readonly repository: string
  /** 32 hexadecimal digits. */
  readonly id: string
  /** False: it was there already. */
  readonly created: boolean
}

export function repoInitCommand(launcher: Launcher): Command {
  const command = new Command('init')
    .description('create a repository; harmless where there is one')
    .option('--repair', 'write repo.json anew where it is damaged or missing; the backups stay')
  return act(command, launcher, async (context) => {
    context.changes('repo init')
    const store = await context.openRepositoryStore()
    const { initRepository, repairRepository } = await import('../backup/repository.js')
    const { repair = false } = command.opts<{ readonly repair?: boolean }>()
    const init = repair ? repairRepository : initRepository
    const result = await withAudit(
      context,
      { store, command: 'repo init', details: { repair } },
      async () => {
        const { repository, created } = await init({
          store,
          now: context.host.now(),
          signal: context.signal,
        })
        return { repository: store.displayUrl, id: repository.id, created }
      },
    )
    context.output.result(result, describe)
  })
}

function describe({ repository, id, created }: InitResult): string {
  return `${created ? 'created repository' : 'there already is a repository,'} ${id} at ${repository}`
}
