import { Command, Option } from 'commander'

import type { RepositoryKey } from '../backup/key-file.js'
import type { Repository } from '../backup/repository.js'
import { catalogue } from '../config/catalogue.js'
import type { NewKeyFlags } from '../config/repository-key.js'
import { UsageError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import type { BlobStore } from '../storage/blob-store.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { collect } from './shared-flags.js'

interface Flags extends NewKeyFlags {
  readonly to?: string
  readonly backup?: readonly string[]
  readonly newKey?: boolean
  readonly decrypt?: boolean
  readonly singleWriter?: boolean
}

export function repoCopyCommand(launcher: Launcher): Command {
  const command = new Command('copy')
    .description('copy backups into another repository; what is there already is not copied again')
    .requiredOption('--to <url>', 'the other repository; it is created if there is none')
    .addOption(
      new Option('--backup <id>', 'only this one: an id, its beginning, or all; can be repeated').argParser(
        collect,
      ),
    )
    .option('--new-key', 'encrypt the copy with a key of its own: after a leak, or out of a plain repository')
    .option('--new-passphrase-file <file>', 'a file with the passphrase of the other repository')
    .option('--new-passphrase-command <command>', 'a shell command that prints it')
    .option('--new-key-file <file>', 'a key file of the other repository, from "repo key generate"')
    .option('--decrypt', 'write a plain copy of an encrypted repository')
    .option(
      '--single-writer',
      'for a store without conditional writes: promise that nobody else maintains it',
    )
  return act(command, launcher, async (context) => {
    context.changes('repo copy')
    await copy(context, command.opts<Flags>())
  })
}

async function copy(context: CommandContext, flags: Flags): Promise<void> {
  const { to: target = '' } = flags
  if (flags.newKey === true && flags.decrypt === true)
    throw new UsageError('--new-key and --decrypt cannot both be given')
  const { keyOnce, repositoryAccess } = await import('./repository-access.js')
  const { openRepository } = await import('../backup/repository.js')
  const key = keyOnce(context)
  const store = await context.openRepositoryStore()
  const from = await openRepository({ ...repositoryAccess(context), key, store, signal: context.signal })
  const other = await context.openRepositoryStore(target)
  if (other.displayUrl === store.displayUrl) throw new UsageError('--repo and --to are the same repository')
  const { to, created } = await openTarget(context, flags, { from, other, key })
  const { isSameKey, copyBackups } = await import('../backup/copy-repository.js')
  if (flags.newKey === true && isSameKey(from, to))
    throw new UsageError('--to has the same key as --repo', {
      hint: 'name a new place with --to: a repository keeps its master key for ever',
    })
  const { heads, damaged } = await chosen(context, from, flags.backup ?? ['all'])
  const job = {
    from,
    to,
    backups: heads,
    actor: context.actor,
    host: context.host.hostname,
    singleWriter: flags.singleWriter ?? false,
    concurrency: context.settings.value(catalogue.concurrency),
    now: context.host.now,
    progress: context.output,
    signal: context.signal,
  }
  const details = { from: store.displayUrl, to: other.displayUrl, decrypt: flags.decrypt ?? false }
  const report = await withAudit(
    context,
    { repository: to, command: 'repo copy', details },
    () => copyBackups(job),
    ({ copied, failed }) => ({ copied: copied.length, failed: failed.length }),
  )
  const failed = [...damaged, ...report.failed]
  if (failed.length > 0) context.finish(ExitCode.critical)
  const result = {
    repository: store.displayUrl,
    to: { repository: other.displayUrl, id: to.id, created, encrypted: to.cipher !== null },
    ...report,
    failed,
  }
  context.output.result(result, (done) => {
    const lines = [
      `${done.to.created ? 'created' : 'there is'} ${done.to.encrypted ? 'encrypted ' : ''}repository ${done.to.id} at ${done.to.repository}`,
      `copied ${done.copied.length} backups (${done.objects} objects, ${done.bytes} bytes); ${done.present.length} were there`,
      ...(done.removed.length > 0 ? [`left out, in the trash there: ${done.removed.join(', ')}`] : []),
      ...done.failed.map(({ id, message }) => `not copied: ${id}: ${message}`),
    ]
    return lines.join('\n')
  })
}

interface Sides {
  readonly from: Repository
  readonly other: BlobStore
  readonly key: () => Promise<RepositoryKey | null>
}

/** A mirror with the same id and keys, unless the copy is to have another key or none. */
async function openTarget(
  context: CommandContext,
  flags: Flags,
  { from, other, key }: Sides,
): Promise<{ to: Repository; created: boolean }> {
  const { signal, host } = context
  const { initMirror, initRepository, openRepository } = await import('../backup/repository.js')
  const { givenNewKey, isNewKeyGiven } = await import('./repository-access.js')
  const { KeyMissingError } = await import('../backup/key-errors.js')
  const mustStay = from.cipher !== null && flags.decrypt !== true
  const mustBeEncrypted =
    flags.newKey === true ? '--new-key' : mustStay ? 'the repository that is copied' : required(context)
  if (flags.newKey !== true && flags.decrypt !== true) {
    const created = await initMirror(from.store, other, signal)
    const own = !created && isNewKeyGiven(context, flags) ? () => givenNewKey(context, flags) : key
    return { to: await openRepository({ store: other, key: own, mustBeEncrypted, signal }), created }
  }
  let given: Promise<RepositoryKey | null> | undefined
  const newKey = () => (given ??= givenNewKey(context, flags))
  if (flags.newKey === true && (await newKey()) === null) throw KeyMissingError.ofNew()
  const { repository, created } = await initRepository({
    store: other,
    now: host.now(),
    key: newKey,
    mustBeEncrypted,
    encrypt: flags.newKey === true ? { label: 'first', key: newKey } : undefined,
    signal,
  })
  return { to: repository, created }
}

function required({ settings }: CommandContext): string | undefined {
  return settings.value(catalogue.encryption) === null ? undefined : 'the setting encryption'
}

async function chosen(context: CommandContext, from: Repository, words: readonly string[]) {
  const { backupsToCopy } = await import('../backup/copy-repository.js')
  const { heads, damaged } = await backupsToCopy(from, context.signal)
  if (words.includes('all')) return { heads, damaged }
  const picked = words.map((word) => {
    const matching = heads.filter(({ id }) => id === word || id.startsWith(word))
    const [head] = matching
    if (head === undefined || (matching.length > 1 && head.id !== word))
      throw new UsageError(`--backup ${word} names ${matching.length} backups`, {
        hint: 'see "chroma-ops backup list"',
      })
    return head
  })
  return { heads: [...new Set(picked)], damaged: [] }
}
