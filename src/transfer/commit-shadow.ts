import type { ChromaApi, CollectionRef } from '../chroma/api.js'
import { ChromaConflictError, CollectionNotFoundError } from '../chroma/errors.js'
import { type CollectionDefinition, type CollectionName } from '../core/records.js'
import { SwapInterruptedError, TargetExistsError } from './errors.js'
import { shadowMetadata, withReplaced, type ShadowIdentity } from './shadow.js'
import { replacedName } from './shadow-name.js'

export interface CommitJob {
  readonly api: ChromaApi
  readonly identity: ShadowIdentity
  /** The shadow as it is on the server. */
  readonly shadow: CollectionRef
  /** What it came from: gives the metadata. */
  readonly definition: CollectionDefinition
  readonly signal: AbortSignal | undefined
}

/**
 * Gives a shadow its name and its metadata, in one request. Rejects with {@link TargetExistsError} when
 * somebody else has taken the name.
 */
export async function commitShadow(job: CommitJob): Promise<void> {
  const { api, identity, shadow, definition, signal } = job
  try {
    await api.updateCollection(
      shadow,
      { newName: identity.target.name, newMetadata: definition.metadata },
      signal,
    )
  } catch (error) {
    if (error instanceof ChromaConflictError) throw new TargetExistsError([identity.target], { cause: error })
    throw error
  }
}

/**
 * Puts a shadow in the place of `live`, which is renamed first: between the two requests there is no
 * collection of that name. The shadow's metadata tells a later run which one it replaces. Returns the name
 * under which the replaced collection stays. Rejects with {@link SwapInterruptedError} when the server failed
 * between the two and the first could not be taken back.
 */
export async function swapShadow(job: CommitJob, live: CollectionDefinition): Promise<string> {
  const { api, identity, shadow, signal } = job
  await api.updateCollection(shadow, { newMetadata: withReplaced(shadowMetadata(identity), live.id) }, signal)
  const kept = await moveAside(job, live)
  try {
    // Without the signal: a safe point comes only after this.
    await commitShadow({ ...job, signal: undefined })
  } catch (error) {
    await moveBack(job, kept, error)
    throw error
  }
  return kept.name
}

async function moveBack(
  { api, identity }: CommitJob,
  kept: CollectionDefinition,
  cause: unknown,
): Promise<void> {
  try {
    if ((await api.findCollection(identity.target)) === undefined)
      await api.updateCollection(kept, { newName: identity.target.name })
  } catch {
    throw new SwapInterruptedError(identity.target, kept.name, cause)
  }
}

async function moveAside(
  { api, identity, signal }: CommitJob,
  live: CollectionDefinition,
): Promise<CollectionDefinition> {
  for (let attempt = 1; ; attempt++) {
    const name = replacedName(live.name, identity.run, attempt)
    if ((await api.findCollection({ ...live, name }, signal)) !== undefined) continue
    await api.updateCollection(live, { newName: name }, signal)
    return { ...live, name }
  }
}

/** Deletes a collection that nobody needs any more; one that is gone already is no error. */
export async function dropCollection(
  api: ChromaApi,
  collection: CollectionRef,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await api.deleteCollection(collection, signal)
  } catch (error) {
    if (!(error instanceof CollectionNotFoundError)) throw error
  }
}

/** The collection with this id among those of a database, whatever its name is now. */
export async function findById(
  api: ChromaApi,
  { tenant, database }: Omit<CollectionName, 'name'>,
  id: string,
  signal: AbortSignal | undefined,
): Promise<CollectionDefinition | undefined> {
  return (await api.listCollections(tenant, database, signal)).find((collection) => collection.id === id)
}
