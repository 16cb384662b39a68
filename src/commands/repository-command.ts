import type { Repository } from '../backup/repository.js'
import type { BackupHead } from '../backup/manifest.js'
import { catalogue } from '../config/catalogue.js'
import type { Warning } from '../core/progress.js'
import type { CommandContext } from './context.js'

/** The repository of `--repo`; rejects with a RepositoryNotFoundError when there is none. */
export async function openOwnRepository(context: CommandContext): Promise<Repository> {
  const store = await context.openRepositoryStore()
  const { openWithKey } = await import('./repository-access.js')
  return openWithKey(context, store)
}

/** The series to choose from: the flag's, else that of the settings, else none. */
export function chosenSeries(context: CommandContext, flag: string | undefined): string | undefined {
  return flag ?? context.settings.value(catalogue.series) ?? undefined
}

export interface ChosenBackup {
  readonly head: BackupHead
  /** What the operator should know about the choice; told on stderr already. */
  readonly warnings: readonly Warning[]
}

/** The backup that the words of the command line mean. */
export async function chooseBackup(
  context: CommandContext,
  repository: Repository,
  selector: string,
  flags: { readonly series?: string | undefined; readonly collection?: readonly string[] | undefined },
): Promise<ChosenBackup> {
  const [{ resolveBackup }, { clockWarning }] = await Promise.all([
    import('../backup/resolve-backup.js'),
    import('../backup/clock.js'),
  ])
  const head = await resolveBackup(repository, selector, {
    series: chosenSeries(context, flags.series),
    collections: flags.collection,
    signal: context.signal,
  })
  const warning = clockWarning(head, context.host.now())
  if (warning !== null) context.output.warn(warning)
  return { head, warnings: warning === null ? [] : [warning] }
}

/** A manifest without the places of its objects, which concern nobody but the repository. */
export function shownHead({ contents: _, ...head }: BackupHead): Omit<BackupHead, 'contents'> {
  return head
}
