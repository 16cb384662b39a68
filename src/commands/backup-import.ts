import { Command, Option } from 'commander'

import type { Repository } from '../backup/repository.js'
import { catalogue } from '../config/catalogue.js'
import { UsageError } from '../core/errors.js'
import type { Space } from '../core/records.js'
import { plural } from '../output/format.js'
import {
  ageIdentityOption,
  openArchiveRepository,
  type AgeIdentityFlags,
  type ArchiveRepository,
} from './archive-repository.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { repeated } from './parse.js'
import { openOwnRepository } from './repository-command.js'

export interface ImportFlags extends AgeIdentityFlags {
  readonly format?: 'tar' | 'jsonl' | 'parquet'
  readonly collection?: string
  readonly space?: Space
  readonly series?: string
  readonly tag?: readonly string[]
  readonly init?: boolean
  readonly allowEmpty?: boolean
  readonly allowShrink?: boolean
  readonly allowMissingVectors?: boolean
  readonly allowNonFinite?: boolean
  readonly singleWriter?: boolean
}

export function backupImportCommand(launcher: Launcher): Command {
  const command = new Command('import')
    .description('put an archive into a repository, or make a backup of files with records')
    .argument(
      '<file>',
      'an archive, or - for stdin; a .jsonl or .parquet file; a folder that export has filled',
    )
    .addOption(
      new Option('--format <format>', 'what it is (default: what its name says)').choices([
        'tar',
        'jsonl',
        'parquet',
      ]),
    )
    .option('--init', 'create the repository if there is none')
    .addOption(ageIdentityOption())
    .option('--collection <name>', 'of a file with records: the collection, [[tenant/]database/]name')
    .addOption(
      new Option(
        '--space <space>',
        'of a file with records: how distances are measured (default: l2)',
      ).choices(['l2', 'cosine', 'ip']),
    )
    .option('--series <name>', 'records: the series of the backup (default: import)')
    .addOption(repeated('--tag <key=value>', 'records: a note to find it by'))
    .option('--allow-empty', 'records: also when there are none')
    .option('--allow-shrink', 'records: also when the last import had more than twice as many')
    .option('--allow-missing-vectors', 'records: also those without an embedding')
    .option('--allow-non-finite', 'records: also NaN and infinities in embeddings')
    .option(
      '--single-writer',
      'for a store without conditional writes: promise that nobody else maintains it',
    )
  return act(command, launcher, async (context, file = '') => {
    context.changes('backup import')
    const flags = command.opts<ImportFlags>()
    if (await isTar(file, flags)) await importTar(context, file, flags)
    else {
      const { importFiles } = await import('./import-files.js')
      await importFiles(context, file, flags)
    }
  })
}

/** What is no archive by its name is looked at: any name may be that of one. */
async function isTar(file: string, { format, collection }: ImportFlags): Promise<boolean> {
  if (format !== undefined) return format === 'tar'
  if (file === '-' || /\.(tar|age)$/i.test(file)) return true
  if (collection !== undefined || /\.(jsonl|ndjson|json|parquet)$/i.test(file)) return false
  const { stat } = await import('node:fs/promises')
  const found = await stat(file).catch(() => null)
  return found?.isFile() === true
}

async function importTar(context: CommandContext, file: string, flags: ImportFlags): Promise<void> {
  const records = [
    'collection',
    'space',
    'series',
    'tag',
    'allowEmpty',
    'allowShrink',
    'allowMissingVectors',
    'allowNonFinite',
  ] as const
  if (records.some((name) => flags[name] !== undefined))
    throw new UsageError('an archive is taken as it is: its backup keeps its collections, series and tags')
  const archive = await openArchiveRepository(context, file, flags)
  const { repository: to, created } = await openTarget(context, archive, flags.init ?? false)
  const [{ importArchive }, { resolveBackup }] = await Promise.all([
    import('../backup/archive/import-archive.js'),
    import('../backup/resolve-backup.js'),
  ])
  const head = await resolveBackup(archive.repository, archive.backup, { signal: context.signal })
  const imported = await withAudit(
    context,
    { repository: to, command: 'backup import', details: { file, backup: head.id } },
    () =>
      importArchive({
        from: archive.repository,
        to,
        head,
        actor: context.actor,
        host: context.host.hostname,
        singleWriter: flags.singleWriter ?? false,
        concurrency: context.settings.value(catalogue.concurrency),
        now: context.host.now,
        progress: context.output,
        signal: context.signal,
      }),
    ({ added, objects }) => ({ added, objects }),
  )
  const result = { repository: to.store.displayUrl, created, backup: head.id, ...imported }
  context.output.result(result, ({ repository, backup, added, objects }) =>
    added
      ? `${backup} is in ${repository} (${plural(objects, 'object')} written)`
      : `${backup} is in ${repository} already`,
  )
}

/** A new repository for an encrypted archive has its id and its keys: everything stays as it is. */
async function openTarget(
  context: CommandContext,
  { repository: archive }: ArchiveRepository,
  mayCreate: boolean,
): Promise<{ repository: Repository; created: boolean }> {
  if (!mayCreate) return { repository: await openOwnRepository(context), created: false }
  const store = await context.openRepositoryStore()
  const { initWithKey, openWithKey } = await import('./repository-access.js')
  if (archive.cipher === null) return initWithKey(context, store)
  const { initMirror } = await import('../backup/repository.js')
  const created = await initMirror(archive.store, store, context.signal)
  return { repository: await openWithKey(context, store), created }
}
