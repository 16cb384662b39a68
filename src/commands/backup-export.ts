import { Command, Option } from 'commander'

import type { ExportedCollection } from '../backup/files/export-records.js'
import type { BackupHead } from '../backup/manifest.js'
import type { Repository } from '../backup/repository.js'
import { catalogue } from '../config/catalogue.js'
import { GuardError, UsageError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { displayName } from '../core/records.js'
import { bytes, plural } from '../output/format.js'
import { textOf } from './archive-repository.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { repeated } from './parse.js'
import { chooseBackup, openOwnRepository } from './repository-command.js'

interface Flags {
  readonly format: 'tar' | 'jsonl' | 'parquet'
  readonly series?: string
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly includeErased?: boolean
  readonly decrypt?: boolean
  readonly ageRecipient?: readonly string[]
  readonly ageRecipientsFile?: string
  readonly force?: boolean
}

export function backupExportCommand(launcher: Launcher): Command {
  const command = new Command('export')
    .description('write a backup into one file, or its records into files that other programs read')
    .argument('<backup>', 'an id or its beginning, latest, latest~1, or a time')
    .argument('<file>', 'the archive, or - for stdout; with --format jsonl or parquet: a folder')
    .addOption(
      new Option('--format <format>', 'tar: the backup itself; jsonl, parquet: a file for each collection')
        .choices(['tar', 'jsonl', 'parquet'])
        .default('tar'),
    )
    .option('--series <name>', 'choose among the backups of a series')
    .addOption(
      repeated('--collection <pattern>', 'records: only these: [[tenant/]database/]name with * and ?'),
    )
    .addOption(repeated('--exclude <pattern>', 'records: all but these'))
    .option('--include-erased', 'records: with those that were erased since the backup')
    .option('--decrypt', 'write what is encrypted in the repository in the clear')
    .addOption(repeated('--age-recipient <recipient>', 'encrypt the archive for age1…; can be repeated'))
    .option('--age-recipients-file <file>', 'a file with recipients, one on each line')
    .option('--force', 'replace files that exist')
  return act(command, launcher, async (context, selector = '', file = '') => {
    const flags = command.opts<Flags>()
    refuseContradictions(flags, context, file)
    const repository = await openOwnRepository(context)
    const { head } = await chooseBackup(context, repository, selector, flags)
    if (flags.format === 'tar') await exportTar(context, flags, { repository, head, file })
    else await exportFiles(context, flags, { repository, head, folder: file, format: flags.format })
  })
}

function refuseContradictions(flags: Flags, context: CommandContext, file: string): void {
  const { format, collection, exclude, includeErased, ageRecipient, ageRecipientsFile } = flags
  const forRecords = [collection, exclude, includeErased].some((flag) => flag !== undefined)
  if (format === 'tar' && forRecords)
    throw new UsageError('an archive holds the whole backup', {
      hint: 'give --format jsonl or --format parquet to choose collections',
    })
  if (format !== 'tar' && (ageRecipient ?? ageRecipientsFile) !== undefined)
    throw new UsageError('only archives are encrypted for age recipients')
  if (file !== '-') return
  if (format !== 'tar') throw new UsageError(`--format ${format} writes several files: name a folder`)
  if (context.output.json)
    throw new UsageError('stdout cannot hold the archive and a JSON document', { hint: 'name a file' })
  if (context.host.stdout.isTTY === true)
    throw new UsageError('an archive is not for a terminal', { hint: 'name a file, or pipe it on' })
}

interface TarExport {
  readonly repository: Repository
  readonly head: BackupHead
  readonly file: string
}

async function exportTar(context: CommandContext, flags: Flags, { repository, head, file }: TarExport) {
  const { output, signal, host } = context
  const recipients = await recipientsOf(flags)
  const [{ exportArchive, exportArchiveFile }, { withPlainCopy }] = await Promise.all([
    import('../backup/archive/export-archive.js'),
    import('../backup/archive/plain-copy.js'),
  ])
  const isDecrypted = repository.cipher !== null && (flags.decrypt === true || recipients.length > 0)
  const write = (from: Repository, chosen: BackupHead) => {
    const job = { repository: from, head: chosen, recipients, progress: output, signal }
    if (file !== '-') return exportArchiveFile(job, file, flags.force ?? false)
    return exportArchive(job, host.stdout)
  }
  const written = isDecrypted
    ? await withPlainCopy(
        {
          repository,
          head,
          tempDir: await context.tempDir(),
          concurrency: context.settings.value(catalogue.concurrency),
          now: host.now,
          progress: output,
          signal,
        },
        write,
      )
    : await write(repository, head)
  const encryption =
    recipients.length > 0 ? 'age' : repository.cipher !== null && !isDecrypted ? 'repository' : null
  const summary = `${head.id} is in ${file === '-' ? 'the archive' : file}: ${plural(written.entries, 'file')}, ${bytes(written.bytes)}`
  if (file === '-') output.note(summary)
  else
    output.result(
      {
        repository: repository.store.displayUrl,
        backup: head.id,
        format: 'tar',
        file,
        encryption,
        ...written,
      },
      () => summary,
    )
}

async function recipientsOf({ ageRecipient = [], ageRecipientsFile }: Flags): Promise<readonly string[]> {
  if (ageRecipientsFile === undefined) return ageRecipient
  const { ageLines } = await import('../backup/archive/age.js')
  const listed = ageLines(await textOf('--age-recipients-file', ageRecipientsFile))
  if (listed.length > 0) return [...ageRecipient, ...listed]
  // Nobody asked for an archive in the clear.
  throw new UsageError(`--age-recipients-file: ${ageRecipientsFile} names no recipient`)
}

interface FilesExport {
  readonly repository: Repository
  readonly head: BackupHead
  readonly folder: string
  readonly format: 'jsonl' | 'parquet'
}

async function exportFiles(
  context: CommandContext,
  flags: Flags,
  { repository, head, folder, format }: FilesExport,
): Promise<void> {
  if (repository.cipher !== null && flags.decrypt !== true)
    throw new GuardError('PLAIN_EXPORT', 'the repository is encrypted, and the files would not be', {
      hint: 'give --decrypt to write them in the clear',
    })
  const { output, signal } = context
  const [{ exportRecords }, { openBackupRecords }, { Erasures }] = await Promise.all([
    import('../backup/files/export-records.js'),
    import('../backup/open-records.js'),
    import('../backup/erasures.js'),
  ])
  const erasures = flags.includeErased === true ? null : await Erasures.read(repository, signal)
  const tempDir = head.type === 'physical' ? await context.tempDir() : undefined
  const source = await openBackupRecords({ repository, head, tempDir, erasures, progress: output, signal })
  try {
    const collections = await exportRecords({
      source,
      backup: head.id,
      format,
      folder,
      collections: flags.collection,
      exclude: flags.exclude,
      replace: flags.force ?? false,
      progress: output,
      signal,
    })
    const isWhole =
      head.status === 'complete' && collections.every(({ missingVectors }) => missingVectors === 0)
    if (!isWhole) context.finish(ExitCode.findings)
    output.result(
      {
        repository: repository.store.displayUrl,
        backup: head.id,
        format,
        folder,
        status: head.status,
        collections,
      },
      describeFiles,
    )
  } finally {
    await source.close()
  }
}

function describeFiles({
  backup,
  folder,
  status,
  collections,
}: {
  readonly backup: string
  readonly folder: string
  readonly status: string
  readonly collections: readonly ExportedCollection[]
}): string {
  return [
    `${backup}${status === 'complete' ? '' : ' (partial)'} is in ${folder}: ${plural(collections.length, 'collection')}`,
    ...collections.map((each) => {
      const lost = each.missingVectors === 0 ? '' : `, ${each.missingVectors} without their vectors`
      return `  ${displayName(each)}: ${plural(each.records, 'record')}${lost}, ${each.file}`
    }),
  ].join('\n')
}
