import type { BackupHead } from '../backup/manifest.js'
import type { Repository } from '../backup/repository.js'
import { catalogue } from '../config/catalogue.js'
import type { CommandContext } from './context.js'
import { pairsOf } from './parse.js'

/** Which collections of a backup are compared with a server, and what they are called there. */
export interface AgainstFlags {
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly rename?: readonly string[]
  readonly targetTenant?: string
  readonly targetDatabase?: string
}

export interface AgainstJob {
  readonly repository: Repository
  readonly head: BackupHead
  readonly url: string
  readonly flags: AgainstFlags
}

/** Compares a backup with the records of a server; the credentials are those of `--url`. */
export async function compareWithServer(context: CommandContext, job: AgainstJob): Promise<void> {
  const { output, signal, host } = context
  const { repository, head, flags } = job
  const rename = pairsOf('--rename', flags.rename ?? [])
  const [{ verifyAgainst }, { describeAgainst }] = await Promise.all([
    import('../backup/verify-against.js'),
    import('./describe-comparison.js'),
  ])
  const api = await context.openServer(job.url)
  api.transport.useBatchRetries()
  const report = await verifyAgainst({
    repository,
    head,
    api,
    tempDir: head.type === 'physical' ? await context.tempDir() : undefined,
    collections: flags.collection,
    exclude: flags.exclude,
    rename,
    targetTenant: flags.targetTenant,
    targetDatabase: flags.targetDatabase,
    concurrency: context.settings.value(catalogue.concurrency),
    now: host.now,
    progress: output,
    signal,
  })
  context.finish(report.exitCode)
  output.result({ repository: repository.store.displayUrl, ...report }, describeAgainst)
}
