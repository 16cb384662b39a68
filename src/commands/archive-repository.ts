import { readFile } from 'node:fs/promises'

import { Option } from 'commander'

import type { Repository } from '../backup/repository.js'
import { asError, UsageError } from '../core/errors.js'
import type { CommandContext } from './context.js'
import { openOwnRepository } from './repository-command.js'

export interface AgeIdentityFlags {
  readonly ageIdentityFile?: string
}

export interface ArchiveRepository {
  readonly repository: Repository
  /** The id of the backup in it, or the word that chooses one. */
  readonly backup: string
}

export function ageIdentityOption(): Option {
  return new Option('--age-identity-file <file>', 'the age identity that an encrypted archive is read with')
}

/**
 * Whether a word that stands for a backup means an archive: a file, or `-` for stdin. Ids have no point
 * before letters, and no slash.
 */
export function isArchiveName(word: string): boolean {
  return word === '-' || /\.(tar|age)$/i.test(word) || /[/\\]/.test(word)
}

/** The repository that an archive is; opened with the same key as any other. */
export async function openArchiveRepository(
  context: CommandContext,
  name: string,
  flags: AgeIdentityFlags,
): Promise<ArchiveRepository> {
  const [{ openArchive }, { ageLines }, { repositoryAccess }, { openRepository }] = await Promise.all([
    import('../backup/archive/open-archive.js'),
    import('../backup/archive/age.js'),
    import('./repository-access.js'),
    import('../backup/repository.js'),
  ])
  const file = flags.ageIdentityFile
  const identities = file === undefined ? [] : ageLines(await textOf('--age-identity-file', file))
  for (const identity of identities) context.output.hide(identity)
  const { store, backup } = await openArchive({
    from: name === '-' ? context.host.stdin : name,
    identities,
    tempDir: () => context.tempDir(),
    signal: context.signal,
  })
  context.onClose(() => store.close())
  // An archive may be plain where the repository must not be: who encrypted it for age wanted that.
  const { key } = repositoryAccess(context)
  return { repository: await openRepository({ store, key, signal: context.signal }), backup }
}

/** The repository of `--repo`, or the archive that the word names. */
export async function repositoryFor(
  context: CommandContext,
  word: string,
  flags: AgeIdentityFlags,
): Promise<ArchiveRepository> {
  if (isArchiveName(word)) return openArchiveRepository(context, word, flags)
  return { repository: await openOwnRepository(context), backup: word }
}

export async function textOf(flag: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${flag}: ${asError(error).message}`, { cause: error })
  }
}
