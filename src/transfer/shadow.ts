import { isShadow, SHADOW_KEY } from '../chroma/shadow-marker.js'
import type { Metadata } from '../core/metadata.js'
import type { CollectionDefinition, CollectionName } from '../core/records.js'
import { runOf, shadowName } from './shadow-name.js'

/** Beside {@link SHADOW_KEY}, whose value is the run, the metadata of a shadow says what it will be. */
const ORIGIN_KEY = 'chroma-ops:origin'
const CONTENT_KEY = 'chroma-ops:content'
const TARGET_KEY = 'chroma-ops:target'
/** Written just before a swap: the id of the collection that the shadow replaces. */
const REPLACES_KEY = 'chroma-ops:replaces'

/** What a restore builds, and how it recognises its own half-built collections. */
export interface ShadowIdentity {
  /** The collection's address while it is being built. */
  readonly address: CollectionName
  readonly run: string
  readonly origin: string
  /** Differs when the records differ. */
  readonly content: string
  readonly target: CollectionName
}

export function shadowIdentity(of: {
  readonly origin: string
  readonly content: string
  readonly source: CollectionName
  readonly target: CollectionName
}): ShadowIdentity {
  const { origin, content, target } = of
  const run = runOf(of)
  return {
    address: { ...target, name: shadowName(target.name, run) },
    run,
    origin,
    content,
    target,
  }
}

/** The metadata of a shadow until it is committed. */
export function shadowMetadata({ run, origin, content, target }: ShadowIdentity): Metadata {
  return new Map([
    [SHADOW_KEY, run],
    [ORIGIN_KEY, origin],
    [CONTENT_KEY, content],
    [TARGET_KEY, target.name],
  ])
}

export function withReplaced(metadata: Metadata, replacedId: string): Metadata {
  return new Map([...metadata, [REPLACES_KEY, replacedId]])
}

/** The id of the collection that a shadow is about to replace; null before the swap. */
export function replacedBy(shadow: CollectionDefinition): string | null {
  const id = shadow.metadata?.get(REPLACES_KEY)
  return typeof id === 'string' ? id : null
}

/** Whether an interrupted restore from this origin has left something half-built here. */
export function isShadowOf(collection: CollectionDefinition, origin: string): boolean {
  return isShadow(collection) && collection.metadata?.get(ORIGIN_KEY) === origin
}

/**
 * `own`: begun by an earlier run of the same restore. `stale`: by the same restore, but with other content,
 * or not yet marked. `foreign`: not the work of this restore at all.
 */
export function judgeShadow(
  collection: CollectionDefinition,
  identity: ShadowIdentity,
): 'own' | 'stale' | 'foreign' {
  if (collection.metadata === null && collection.dimension === null) return 'stale'
  if (collection.metadata?.get(SHADOW_KEY) !== identity.run) return 'foreign'
  return collection.metadata.get(CONTENT_KEY) === identity.content ? 'own' : 'stale'
}
