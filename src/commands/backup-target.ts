import type { BackupScope, BackupTarget } from '../backup/manifest.js'
import { checkSeries, seriesOfUrl } from '../backup/series.js'
import { catalogue } from '../config/catalogue.js'
import type { CollectionName, RecordSource } from '../core/records.js'
import type { CommandContext, Scope } from './context.js'
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

/** A directory that a server works on is read from a private copy: its records would change under the reader. */
export async function openDirectorySource(context: CommandContext, directory: string): Promise<OpenedSource> {
  const { output, signal } = context
  const { openRecordsOf } = await import('../datadir/private-records.js')
  const records = await openRecordsOf({
    directory,
    tempDir: await context.tempDir(),
    progress: output,
    signal,
  })
  context.onClose(() => records.close())
  const { tenants, databases } = await context.scope()
  const { releases, sysdb, metadb, embeddingsQueue } = records.fingerprint
  return {
    source: withinScope(records.source, { tenants, databases }),
    target: { url: directory, fingerprint: { releases, sysdb, metadb, embeddingsQueue } },
    scope: { tenants, databases: databases ?? null },
    directory,
  }
}

/** As a server's records are read: of these tenants and databases only. */
function withinScope(source: RecordSource, scope: Scope): RecordSource {
  const isWithin = ({ tenant, database }: CollectionName) =>
    scope.tenants.includes(tenant) && (scope.databases?.includes(database) ?? true)
  return {
    displayUrl: source.displayUrl,
    listCollections: async (signal) => (await source.listCollections(signal)).filter(isWithin),
    openCollection: (definition, signal) => source.openCollection(definition, signal),
    close: () => source.close(),
  }
}
