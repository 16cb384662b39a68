import * as v from 'valibot'

import type { CollectionName, ReadConsistency } from '../core/records.js'
import { decodeDocument, encodeDocument } from './documents.js'
import { DocumentDamagedError, ManifestDamagedError, RepositoryUnsupportedError } from './errors.js'
import {
  countSchema,
  digestSchema,
  extentsSchema,
  objectReferenceSchema,
  type Extent,
  type ObjectReference,
} from './object-reference.js'
import type { Repository } from './repository.js'

/** The version of the repository format that this code writes. */
export const FORMAT = 1

/**
 * `full`: every collection of the scope. `incremental`: the same, of which what the parent has is not stored again.
 * `collection`: a selection of them. `physical`: the files of a data directory, with `requires: ["physical"]`.
 */
export type BackupType = 'full' | 'incremental' | 'collection' | 'physical'

/** `partial`: at least one collection is missing or lacks vectors; never `latest`, never a parent. */
export type BackupStatus = 'complete' | 'partial'

/** The manifest of a backup (`backups/<id>.json`): small, and the only commit. Times are ISO 8601 in UTC. */
export interface BackupHead {
  readonly format: number
  /** Features that a reader must know to read this backup. */
  readonly requires: readonly string[]
  readonly id: string
  readonly series: string
  readonly type: BackupType
  readonly status: BackupStatus
  /** When it began, by the clock of the machine that made it. */
  readonly created: string
  readonly finished: string
  readonly durationMs: number
  /** The backup whose objects it reuses, null when it reuses none. */
  readonly parent: string | null
  readonly target: BackupTarget
  readonly scope: BackupScope
  readonly tool: { readonly name: string; readonly version: string }
  readonly host: string
  readonly actor: string
  readonly tags: Readonly<Record<string, string>>
  readonly counts: BackupCounts
  readonly sizes: BackupSizes
  readonly consistency: BackupConsistency
  /** The collections themselves, or where to find them; read them with `readContents`. */
  readonly contents: BackupContents | ContentsLocation
}

export interface BackupTarget {
  /** Without credentials. */
  readonly url: string
  /** What the server is and how that was found out; empty when unknown. */
  readonly fingerprint: Readonly<Record<string, string | number | boolean | null>>
}

export interface BackupScope {
  readonly tenants: readonly string[]
  /** Null: all databases of the tenants. */
  readonly databases: readonly string[] | null
  /** Patterns; empty means every collection. */
  readonly collections: readonly string[]
  readonly exclude: readonly string[]
}

export interface BackupCounts {
  /** Collections in the scope, the failed ones included. */
  readonly collections: number
  readonly failedCollections: number
  readonly records: number
  /** Records without a vector because the source had lost it. */
  readonly missingVectors: number
}

/** Bytes. */
export interface BackupSizes {
  /** Vectors and payload before compression. */
  readonly logical: number
  /** Everything this backup needs in the store, shared objects included. */
  readonly stored: number
  /** What this backup put into the store, without its manifest. */
  readonly added: number
}

/** The sums over all collections. */
export interface BackupConsistency extends ReadConsistency {
  /** `quiesced`: the opening and the closing lists of ids were equal everywhere. */
  readonly kind: 'quiesced' | 'fuzzy' | 'locked' | 'offline'
  /** Collections that appeared while the backup ran; not in it. */
  readonly collectionsAdded: number
  /** Collections that were dropped before they could be read whole; not in it. */
  readonly collectionsRemoved: number
}

/** One collection of a backup. */
export interface CollectionEntry extends CollectionName {
  /** The id that the source gave it. */
  readonly id: string
  /** `incomplete`: vectors, or records, are missing. `failed`: it could not be read and is not in the backup. */
  readonly status: 'complete' | 'incomplete' | 'failed'
  readonly records: number
  readonly dimension: number | null
  readonly missingVectors: number
  /** Vectors and payload before compression, in bytes. */
  readonly logicalBytes: number
  /** Order-independent digests of all records; null when failed, and in physical backups. */
  readonly digest: CollectionDigest | null
  readonly consistency: ReadConsistency | null
  /** Why it is not complete, else null. */
  readonly error: { readonly code: string; readonly message: string } | null
  /** Where its catalogue is; empty when failed, and in physical backups. */
  readonly catalogue: readonly Extent[]
}

/** Sums of record digests modulo 2^128, 32 hexadecimal digits each. */
export interface CollectionDigest {
  readonly payload: string
  readonly vectors: string
}

export interface BackupContents {
  /** What the extents of the catalogues refer to. */
  readonly objects: readonly ObjectReference[]
  /** Sorted by tenant, database and name. Those of a physical backup have no catalogue. */
  readonly collections: readonly CollectionEntry[]
  /** Where the table of files of a physical backup is; absent in others. */
  readonly files?: readonly Extent[] | undefined
}

/** For backups with very many collections: the contents are JSON in objects of their own. */
export interface ContentsLocation {
  readonly objects: readonly ObjectReference[]
  readonly document: readonly Extent[]
}

const entrySchema = v.object({
  tenant: v.string(),
  database: v.string(),
  name: v.string(),
  id: v.string(),
  status: v.picklist(['complete', 'incomplete', 'failed']),
  records: countSchema,
  dimension: v.nullable(countSchema),
  missingVectors: countSchema,
  logicalBytes: countSchema,
  digest: v.nullable(v.object({ payload: digestSchema, vectors: digestSchema })),
  consistency: v.nullable(v.object({ added: countSchema, removed: countSchema, missing: countSchema })),
  error: v.nullable(v.object({ code: v.string(), message: v.string() })),
  catalogue: extentsSchema,
})

export const contentsSchema = v.object({
  objects: v.array(objectReferenceSchema),
  collections: v.array(entrySchema),
  files: v.optional(extentsSchema),
})

const headSchema = v.object({
  format: v.literal(FORMAT),
  requires: v.array(v.string()),
  id: v.string(),
  series: v.string(),
  type: v.picklist(['full', 'incremental', 'collection', 'physical']),
  status: v.picklist(['complete', 'partial']),
  created: v.pipe(v.string(), v.isoTimestamp()),
  finished: v.pipe(v.string(), v.isoTimestamp()),
  durationMs: countSchema,
  parent: v.nullable(v.string()),
  target: v.object({
    url: v.string(),
    fingerprint: v.record(v.string(), v.union([v.string(), v.number(), v.boolean(), v.null()])),
  }),
  scope: v.object({
    tenants: v.array(v.string()),
    databases: v.nullable(v.array(v.string())),
    collections: v.array(v.string()),
    exclude: v.array(v.string()),
  }),
  tool: v.object({ name: v.string(), version: v.string() }),
  host: v.string(),
  actor: v.string(),
  tags: v.record(v.string(), v.string()),
  counts: v.object({
    collections: countSchema,
    failedCollections: countSchema,
    records: countSchema,
    missingVectors: countSchema,
  }),
  sizes: v.object({ logical: countSchema, stored: countSchema, added: countSchema }),
  consistency: v.object({
    kind: v.picklist(['quiesced', 'fuzzy', 'locked', 'offline']),
    added: countSchema,
    removed: countSchema,
    missing: countSchema,
    collectionsAdded: countSchema,
    collectionsRemoved: countSchema,
  }),
  contents: v.union([
    contentsSchema,
    v.object({ objects: v.array(objectReferenceSchema), document: extentsSchema }),
  ]),
})

/** In `requires` of the manifest of a physical backup. */
export const PHYSICAL = 'physical'

/** In `requires` of the manifest of a backup of which a catalogue has layers. */
export const LAYERS = 'layers'

const FEATURES_OF_BACKUPS: readonly string[] = [PHYSICAL, LAYERS]

export const needsSchema = v.object({ format: v.number(), requires: v.array(v.string()) })

export function manifestKey(id: string): string {
  return `backups/${id}.json`
}

export function encodeHead(repository: Repository, head: BackupHead): Buffer {
  return encodeDocument(repository, 'manifest', manifestKey(head.id), head)
}

/**
 * Checks the seal, the format, the features and the shape. Throws {@link ManifestDamagedError} or
 * {@link RepositoryUnsupportedError}.
 */
export function decodeHead(repository: Repository, id: string, bytes: Uint8Array): BackupHead {
  const key = manifestKey(id)
  const document = decode(repository, id, bytes)
  const needs = v.safeParse(needsSchema, document)
  if (needs.success) refuseUnknown(`backup ${id}`, needs.output, FEATURES_OF_BACKUPS)
  const head = v.safeParse(headSchema, document)
  if (!head.success)
    throw new ManifestDamagedError(id, `${key} is not a manifest: ${v.summarize(head.issues)}`)
  // A manifest that was put back under another name.
  if (head.output.id !== id) throw new ManifestDamagedError(id, `${key} is the manifest of ${head.output.id}`)
  return head.output
}

function decode(repository: Repository, id: string, bytes: Uint8Array): unknown {
  try {
    return decodeDocument(repository, 'manifest', manifestKey(id), bytes)
  } catch (error) {
    if (!(error instanceof DocumentDamagedError)) throw error
    throw new ManifestDamagedError(id, error.message, { hint: error.hint, cause: error })
  }
}

/** Throws {@link RepositoryUnsupportedError} when something needs a newer reader. */
export function refuseUnknown(
  what: string,
  { format, requires }: { readonly format: number; readonly requires: readonly string[] },
  known: readonly string[] = [],
): void {
  if (format > FORMAT) throw new RepositoryUnsupportedError(what, `format ${format}`)
  const unknown = requires.filter((feature) => !known.includes(feature))
  if (unknown.length > 0) throw new RepositoryUnsupportedError(what, unknown.join(', '))
}
