import { hash } from 'node:crypto'

import type { ChromaApi } from '../../chroma/api.js'
import { createLike } from '../../chroma/create-like.js'
import { withEmbeddingFunction, withSpace } from '../../chroma/definition-space.js'
import { spaceOf } from '../../chroma/space.js'
import type { Metadata } from '../../core/metadata.js'
import { KEEP_UNTIL_KEY, KEPT_KEY, LEDGER_KEY } from '../../core/migration-keys.js'
import type { Warning } from '../../core/progress.js'
import type { CollectionDefinition, Space } from '../../core/records.js'
import { SHADOW_KEY } from '../../core/shadow-key.js'
import { nameWithSuffix } from '../../transfer/shadow-name.js'
import type { RecordMap } from '../record-map.js'

/** Beside {@link SHADOW_KEY}, the metadata of a shadow says whose it is and what it will be. */
const ORIGIN_KEY = 'chroma-ops:origin'
const CONTENT_KEY = 'chroma-ops:content'
const TARGET_KEY = 'chroma-ops:target'
const LEDGER_FORMAT = 1n
const ORIGIN = 'migration:'

/** What decides whether two runs build the same thing. */
export interface SwapIdentity {
  readonly version: string
  readonly live: string
  readonly sourceId: string
  readonly mapHash: string
}

export interface SwapNames {
  readonly shadow: string
  readonly ledger: string
  readonly old: string
}

export function swapNames(identity: SwapIdentity): SwapNames {
  const { live } = identity
  const run = runOf(identity)
  return {
    shadow: nameWithSuffix(live, `.migrate-${run}`),
    ledger: nameWithSuffix(live, `.ledger-${run}`),
    old: nameWithSuffix(live, `.old-${run}`),
  }
}

/** Eight hexadecimal digits. */
export function runOf({ version, live, sourceId, mapHash }: SwapIdentity): string {
  return hash('sha256', JSON.stringify([version, live, sourceId, mapHash]), 'hex').slice(0, 8)
}

/** An empty collection like the source, but for what the map changes. */
export async function createShadow(
  api: ChromaApi,
  identity: SwapIdentity,
  source: CollectionDefinition,
  map: RecordMap,
  signal: AbortSignal,
): Promise<{ readonly collection: CollectionDefinition; readonly warnings: readonly Warning[] }> {
  const spaced = map.space === null ? source : { ...withSpace(source, map.space), metadata: null }
  const definition =
    map.embeddingFunction === undefined ? spaced : withEmbeddingFunction(spaced, map.embeddingFunction)
  return createLike(api, definition, {
    address: { ...source, name: swapNames(identity).shadow },
    marker: new Map([
      [SHADOW_KEY, runOf(identity)],
      [ORIGIN_KEY, originOf(identity.version)],
      [CONTENT_KEY, identity.mapHash],
      [TARGET_KEY, identity.live],
    ]),
    signal,
  })
}

export async function createLedgerCollection(
  api: ChromaApi,
  identity: SwapIdentity,
  { tenant, database }: CollectionDefinition,
  signal: AbortSignal,
): Promise<CollectionDefinition> {
  return api.createCollection(
    {
      tenant,
      database,
      name: swapNames(identity).ledger,
      metadata: new Map<string, string | bigint>([
        [LEDGER_KEY, LEDGER_FORMAT],
        [ORIGIN_KEY, originOf(identity.version)],
        [TARGET_KEY, identity.live],
      ]),
      schema: null,
      configuration: new Map([['hnsw', new Map([['space', 'l2']])]]),
    },
    signal,
  )
}

/** What an unfinished run of this migration has left that was to become `live`, shadow or ledger. */
export function isLeftBy(
  { metadata, name }: CollectionDefinition,
  { version, live }: Pick<SwapIdentity, 'version' | 'live'>,
): boolean {
  const isOurs = metadata?.get(ORIGIN_KEY) === originOf(version) && metadata.get(TARGET_KEY) === live
  return isOurs && (metadata.has(SHADOW_KEY) || metadata.has(LEDGER_KEY)) && name !== live
}

/** The migration that a ledger, or a shadow, was made by; null: it does not say. */
export function versionOfLedger({ metadata }: Pick<CollectionDefinition, 'metadata'>): string | null {
  const origin = metadata?.get(ORIGIN_KEY)
  return typeof origin === 'string' && origin.startsWith(ORIGIN) ? origin.slice(ORIGIN.length) : null
}

/** The space that the map gives the collection. */
export function targetSpace(source: CollectionDefinition, map: Pick<RecordMap, 'space'>): Space {
  return map.space ?? spaceOf(source)
}

/** What the new collection says of itself, once it has the live name: what the old one said. */
export function liveMetadata(source: CollectionDefinition, map: Pick<RecordMap, 'space'>): Metadata | null {
  return without(source.metadata, map.space === null ? [] : ['hnsw:space'])
}

export function keptMetadata(metadata: Metadata | null, version: string, until: string | null): Metadata {
  const kept = [...(metadata ?? []), [KEPT_KEY, version] as const]
  return new Map(until === null ? kept : [...kept, [KEEP_UNTIL_KEY, until] as const])
}

/** What a kept collection said of itself before it was kept. */
export function releasedMetadata(metadata: Metadata | null): Metadata | null {
  return without(metadata, [KEPT_KEY, KEEP_UNTIL_KEY])
}

function without(metadata: Metadata | null, keys: readonly string[]): Metadata | null {
  const left = [...(metadata ?? [])].filter(([key]) => !keys.includes(key))
  return left.length === 0 ? null : new Map(left)
}

function originOf(version: string): string {
  return `${ORIGIN}${version}`
}
