import type { ChromaApi, CollectionRef } from '../../chroma/api.js'
import { ChromaConflictError, CollectionNotFoundError } from '../../chroma/errors.js'
import { OpsError } from '../../core/errors.js'
import { ExitCode } from '../../core/exit-code.js'
import type { Metadata } from '../../core/metadata.js'
import { displayName, type CollectionName } from '../../core/records.js'
import { nameWithSuffix } from '../../transfer/shadow-name.js'

export interface NameChange {
  readonly collection: CollectionRef
  readonly name: string
  readonly metadata: Metadata | null
}

/** Applications create the collection again and again, so that its name never was free for long enough. */
export class NameContestedError extends OpsError {
  override readonly code = 'SWAP_NAME_CONTESTED'
  override readonly exitCode = ExitCode.undecided

  constructor(live: CollectionName, cause: unknown) {
    super(`${displayName(live)} was created by others each time it was free`, {
      hint: 'stop the applications that create it, then run: chroma-ops migrate resume',
      cause,
    })
  }
}

/** In a storm of callers one attempt of about five succeeds. */
const MOST_ATTEMPTS = 1000

/**
 * Renames `out`, which has the live name, and gives the name to `into`: two requests back to back, between which
 * there is no collection of that name, and nothing but a crash can stop them. Returns how long at most it was missing.
 */
export async function exchangeNames(
  api: ChromaApi,
  change: { readonly out: NameChange; readonly into: NameChange },
): Promise<number> {
  // Both requests find a connection that is open.
  await api.findCollection(change.into.collection)
  const started = performance.now()
  await renameWithMetadata(api, change.out)
  await takeName(api, change.into)
  return Math.round(performance.now() - started)
}

/**
 * Gives a collection a name, if need be by renaming one that somebody has made under it meanwhile: most
 * applications get or create theirs when they start. Such intruders are found by {@link intrudersOf}.
 */
export async function takeName(api: ChromaApi, into: NameChange): Promise<void> {
  const live = { ...into.collection, name: into.name }
  for (let attempt = 1; ; attempt++) {
    try {
      await renameWithMetadata(api, into)
      return
    } catch (error) {
      if (!(error instanceof ChromaConflictError)) throw error
      if (attempt === MOST_ATTEMPTS) throw new NameContestedError(live, error)
      const found = await api.findCollection(live)
      if (found?.id === into.collection.id) return
      if (found !== undefined) await moveIntruder(api, found)
    }
  }
}

/** The name that a collection gets which was made while the name was free. */
export function intruderName({ name, id }: CollectionRef): string {
  return nameWithSuffix(name, `.intruder-${id.slice(0, 8)}`)
}

/** Whether this one was renamed because it had the live name in a swap. */
export function isIntruder(collection: CollectionRef, live: string): boolean {
  return collection.name === intruderName({ ...collection, name: live })
}

async function moveIntruder(api: ChromaApi, found: CollectionRef): Promise<void> {
  try {
    await api.updateCollection(found, { newName: intruderName(found) })
  } catch (error) {
    // Its maker has deleted it meanwhile.
    if (!(error instanceof CollectionNotFoundError)) throw error
  }
}

async function renameWithMetadata(api: ChromaApi, { collection, name, metadata }: NameChange): Promise<void> {
  await api.updateCollection(collection, { newName: name, newMetadata: metadata })
}
