import type { RepositoryKey } from '../backup/key-file.js'
import type { Repository, RepositoryAccess } from '../backup/repository.js'
import { catalogue } from '../config/catalogue.js'
import type { GivenKey, NewKeyFlags } from '../config/repository-key.js'
import { keySource, resolveNewKey, resolveRepositoryKey } from '../config/repository-key.js'
import { sourceText } from '../config/setting.js'
import { UsageError } from '../core/errors.js'
import type { BlobStore } from '../storage/blob-store.js'
import type { CommandContext } from './context.js'

/**
 * What the settings say about the repository: its key, asked for at a terminal when it is needed and not given, and
 * what it must be. A key that is given asks for an encrypted repository: nothing is written in the clear by mistake.
 */
export function repositoryAccess(context: CommandContext): RepositoryAccess {
  const { settings } = context
  const required = settings.value(catalogue.encryption) !== null
  const id = settings.value(catalogue.repoId)
  return {
    key: keyOnce(context),
    mustBeEncrypted: required
      ? sourceText(settings.source(catalogue.encryption))
      : (keySource(settings) ?? undefined),
    mustBe: id === null ? undefined : { id, because: sourceText(settings.source(catalogue.repoId)) },
  }
}

/** Opens the repository of `--repo`, or one in another store. */
export async function openWithKey(context: CommandContext, store: BlobStore): Promise<Repository> {
  const { openRepository } = await import('../backup/repository.js')
  return openRepository({ ...repositoryAccess(context), store, signal: context.signal })
}

/** Creates the repository if there is none: encrypted, where a key is given or the settings ask for encryption. */
export async function initWithKey(context: CommandContext, store: BlobStore) {
  const { initRepository } = await import('../backup/repository.js')
  const access = repositoryAccess(context)
  return initRepository({
    ...access,
    store,
    now: context.host.now(),
    encrypt: access.mustBeEncrypted === undefined ? undefined : firstKey(context),
    signal: context.signal,
  })
}

/** The key that a repository is created with. */
export function firstKey(context: CommandContext, label = 'first') {
  return { label, key: () => givenKeyTwice(context) }
}

/** Asks no more than once. */
export function keyOnce(context: CommandContext): () => Promise<RepositoryKey | null> {
  let given: Promise<RepositoryKey | null> | undefined
  return () => (given ??= givenKey(context))
}

/** The key of the settings, else asked for; null where nobody can be asked. */
async function givenKey(context: CommandContext): Promise<RepositoryKey | null> {
  const { settings, host, signal } = context
  const given = await resolveRepositoryKey({ settings, environment: host.environment, signal })
  if (given !== null) return keyFrom(given)
  if (host.askSecret === null) return null
  const text = await host.askSecret('passphrase of the repository: ', signal)
  return keyFrom({ kind: 'passphrase', text, source: 'the passphrase' })
}

/** The key of the settings for a repository that is made now: what is typed is asked for twice. */
async function givenKeyTwice(context: CommandContext): Promise<RepositoryKey | null> {
  return keySource(context.settings) === null ? askTwice(context) : givenKey(context)
}

/** Whether the key of another repository is named. */
export function isNewKeyGiven({ settings }: CommandContext, flags: NewKeyFlags): boolean {
  const { newPassphraseFile, newPassphraseCommand, newKeyFile } = flags
  const own = [newPassphraseFile, newPassphraseCommand, newKeyFile, settings.value(catalogue.newPassphrase)]
  return own.some((text) => text !== undefined && text !== null)
}

/** The key of `--new-…`, else asked for, twice; null where nobody can be asked. */
export async function givenNewKey(
  context: CommandContext,
  flags: NewKeyFlags,
): Promise<RepositoryKey | null> {
  const { settings, host, signal } = context
  const several = [flags.newPassphraseFile, flags.newPassphraseCommand, flags.newKeyFile]
  if (several.filter((flag) => flag !== undefined).length > 1)
    throw new UsageError('only one of the --new-… flags can be given')
  const given = await resolveNewKey(flags, { settings, environment: host.environment, signal })
  return given === null ? askTwice(context) : keyFrom(given)
}

async function askTwice({ host, signal }: CommandContext): Promise<RepositoryKey | null> {
  if (host.askSecret === null) return null
  const text = await host.askSecret('new passphrase: ', signal)
  if ((await host.askSecret('once more: ', signal)) !== text)
    throw new UsageError('the two passphrases differ')
  return keyFrom({ kind: 'passphrase', text, source: 'the passphrase' })
}

async function keyFrom({ kind, text, source }: GivenKey): Promise<RepositoryKey> {
  const { parseKeyFile, passphraseKey } = await import('../backup/key-file.js')
  return kind === 'passphrase' ? passphraseKey(text, source) : parseKeyFile(text, source)
}
