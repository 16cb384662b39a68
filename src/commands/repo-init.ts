import { Command } from 'commander'

import type { Repository } from '../backup/repository.js'
import { act } from './command.js'
import { withAudit, type AuditedWork } from './audit.js'
import type { Launcher } from './context.js'

/** The repository is known once the work is done. */
interface Audited extends AuditedWork {
  repository: Repository | null
}

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
    const audited: Audited = { repository: null, command: 'repo init', details: { repair } }
    const result = await withAudit(context, audited, async () => {
      const { repository, created } = await init({
        store,
        now: context.host.now(),
        signal: context.signal,
      })
      audited.repository = repository
      return { repository: store.displayUrl, id: repository.id, created }
    })
    context.output.result(result, describe)
  })
}

function describe({ repository, id, created }: InitResult): string {
  return `${created ? 'created repository' : 'there already is a repository,'} ${id} at ${repository}`
}
