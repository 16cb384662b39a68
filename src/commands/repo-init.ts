import { Command } from 'commander'

import type { Repository } from '../backup/repository.js'
import { withAudit, type AuditedWork } from './audit.js'
import { act } from './command.js'
import type { Launcher } from './context.js'

interface Flags {
  readonly repair?: boolean
  readonly encrypt?: boolean
  readonly label?: string
}

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
  readonly encrypted: boolean
}

export function repoInitCommand(launcher: Launcher): Command {
  const command = new Command('init')
    .description('create a repository; harmless where there is one')
    .option('--encrypt', 'encrypt everything in it, with the passphrase or the key file that is given')
    .option('--label <text>', 'with --encrypt: a name for the key (default: first)')
    .option('--repair', 'write repo.json anew where it is damaged or missing; the backups stay')
  return act(command, launcher, async (context) => {
    context.changes('repo init')
    const flags = command.opts<Flags>()
    const { repair = false } = flags
    const store = await context.openRepositoryStore()
    const [{ initRepository, repairRepository }, { firstKey, repositoryAccess }] = await Promise.all([
      import('../backup/repository.js'),
      import('./repository-access.js'),
    ])
    const access = repositoryAccess(context)
    const mustBeEncrypted = flags.encrypt === true ? '--encrypt' : access.mustBeEncrypted
    const init = repair ? repairRepository : initRepository
    const audited: Audited = { repository: null, command: 'repo init', details: { repair } }
    const result = await withAudit(context, audited, async () => {
      const { repository, created } = await init({
        ...access,
        mustBeEncrypted,
        store,
        now: context.host.now(),
        encrypt: mustBeEncrypted === undefined ? undefined : firstKey(context, flags.label),
        signal: context.signal,
      })
      audited.repository = repository
      const { id, cipher } = repository
      return { repository: store.displayUrl, id, created, encrypted: cipher !== null }
    })
    context.output.result(result, describe)
  })
}

function describe({ repository, id, created, encrypted }: InitResult): string {
  const what = encrypted ? 'encrypted repository' : 'repository'
  const first = `${created ? `created ${what}` : `there already is ${encrypted ? 'an' : 'a'} ${what},`} ${id} at ${repository}`
  if (!created || !encrypted) return first
  return `${first}\nKeep its key in a second place too: without a key, nobody can read the backups.`
}
