import type { ImportRecordsJob } from '../backup/files/import-records.js'
import { catalogue } from '../config/catalogue.js'
import { UsageError } from '../core/errors.js'
import type { CollectionName } from '../core/records.js'
import { withAudit } from './audit.js'
import type { ImportFlags } from './backup-import.js'
import type { CommandContext } from './context.js'
import { pairsOf } from './parse.js'
import { openOwnRepository, shownHead } from './repository-command.js'

const SERIES = 'import'

/** `backup import` of files with records. */
export async function importFiles(context: CommandContext, place: string, flags: ImportFlags): Promise<void> {
  if (place === '-') throw new UsageError('only an archive can come from stdin')
  if (flags.ageIdentityFile !== undefined) throw new UsageError('--age-identity-file goes with archives only')
  if (flags.collection === undefined && flags.space !== undefined)
    throw new UsageError('--space goes with --collection: a folder says it itself')
  const { output, settings, host, signal, actor } = context
  const { findRecordFiles, importRecords } = await import('../backup/files/import-records.js')
  const files = await findRecordFiles({
    place,
    format: flags.format === 'jsonl' || flags.format === 'parquet' ? flags.format : null,
    collection:
      flags.collection === undefined ? null : { ...nameOf(flags.collection), space: flags.space ?? 'l2' },
  })
  const repository = await openTarget(context, flags.init ?? false)
  const job: ImportRecordsJob = {
    repository,
    place,
    files,
    rules: {
      allowMissingVectors: flags.allowMissingVectors ?? false,
      allowNonFinite: flags.allowNonFinite ?? false,
    },
    series: flags.series ?? settings.value(catalogue.series) ?? SERIES,
    tags: Object.fromEntries(pairsOf('--tag', flags.tag ?? [])),
    allowEmpty: flags.allowEmpty ?? false,
    allowShrink: flags.allowShrink ?? false,
    actor,
    host: host.hostname,
    toolVersion: host.version,
    now: host.now,
    progress: output,
    signal,
    concurrency: settings.value(catalogue.concurrency),
  }
  const details = { file: place, series: job.series }
  const summary = await withAudit(
    context,
    { repository, command: 'backup import', details },
    () => importRecords(job),
    ({ head }) => ({ backup: head.id, status: head.status }),
  )
  context.finish(summary.exitCode)
  const { describeHead, shownCollection } = await import('./describe-backup.js')
  const result = {
    repository: repository.store.displayUrl,
    backup: shownHead(summary.head),
    collections: summary.collections.map(shownCollection),
    unchangedCollections: summary.unchangedCollections,
  }
  output.result(result, ({ backup, collections }, style) => describeHead(backup, collections, style))
}

async function openTarget(context: CommandContext, mayCreate: boolean) {
  if (!mayCreate) return openOwnRepository(context)
  const { initWithKey } = await import('./repository-access.js')
  return (await initWithKey(context, await context.openRepositoryStore())).repository
}

/** `[[tenant/]database/]name`. */
function nameOf(text: string): CollectionName {
  const parts = text.split('/')
  const [name = '', database = 'default_database', tenant = 'default_tenant'] = [...parts].reverse()
  if (parts.length > 3 || [name, database, tenant].includes('') || /[*?]/.test(text))
    throw new UsageError(`--collection: ${text} is not the name of a collection`, {
      hint: 'write name, database/name or tenant/database/name',
    })
  return { name, database, tenant }
}
