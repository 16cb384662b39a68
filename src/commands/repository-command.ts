import type { Repository } from '../backup/repository.js'
import type { BackupHead } from '../backup/manifest.js'
import { catalogue } from '../config/catalogue.js'
import type { CommandContext } from './context.js'

/** The repository of `--repo`; rejects with a RepositoryNotFoundError when there is none. */
export async function openOwnRepository(context: CommandContext): Promise<Repository> {
  const store = await context.openRepositoryStore()
  const { openRepository } = await import('../backup/repository.js')
  return openRepository({ store, signal: context.signal })
}

/** The series to choose from: the flag's, else that of the settings, else none. */
export function chosenSeries(context: CommandContext, flag: string | undefined): string | undefined {
  return flag ?? context.settings.value(catalogue.series) ?? undefined
}

/** A manifest without the places of its objects, which concern nobody but the repository. */
export function shownHead({ contents: _, ...head }: BackupHead): Omit<BackupHead, 'contents'> {
  return head
}
