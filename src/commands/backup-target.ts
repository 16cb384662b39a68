import type { BackupScope, BackupTarget } from '../backup/manifest.js'
import { checkSeries, seriesOfUrl } from '../backup/series.js'
import { catalogue } from '../config/catalogue.js'
import { UsageError } from '../core/errors.js'
import type { RecordSource } from '../core/records.js'
import type { CommandContext } from './context.js'
import { targetDirectory } from './target.js'

/** Records to back up, and what the manifest says of where they are from. */
export interface OpenedSource {
  readonly source: RecordSource
  readonly target: BackupTarget
  readonly scope: Pick<BackupScope, 'tenants' | 'databases'>
  /** Null for a server. */
  readonly directory: string | null
}

/** The records of the server or the data directory that the settings name; closed with the context. */
export async function openSource(context: CommandContext): Promise<OpenedSource> {
  const directory = targetDirectory(context)
  return directory === null ? openServerSource(context) : openDirectorySource(context, directory)
}

/** The flag's, else that of the settings, else one made from the target. */
export function seriesFor({ settings }: CommandContext, flag: string | undefined, target: string): string {
  const series = flag ?? settings.value(catalogue.series) ?? seriesOfUrl(settings.file?.profile ?? target)
  checkSeries(series)
  return series
}

async function openServerSource(context: CommandContext): Promise<OpenedSource> {
  const { ServerSource } = await import('../chroma/server-source.js')
  const api = await context.openServer()
  const { tenants, databases } = await context.scope()
  const source = new ServerSource({
    api,
    scope: { tenants, databases },
    tempDir: await context.tempDir(),
    concurrency: context.settings.value(catalogue.concurrency),
  })
  context.onClose(() => source.close())
  const { claimedVersion, atLeast, evidence } = await api.fingerprint(context.signal)
  api.transport.useBatchRetries()
  const fingerprint = { claimedVersion, atLeast, evidence: evidence.join('; ') }
  return {
    source,
    target: { url: api.transport.displayUrl, fingerprint },
    scope: { tenants, databases: databases ?? null },
    directory: null,
  }
}

async function openDirectorySource(context: CommandContext, directory: string): Promise<OpenedSource> {
  throw new UsageError(`records of ${directory} cannot be read by ${context.host.version}`)
}
