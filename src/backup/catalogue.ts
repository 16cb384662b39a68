import * as v from 'valibot'

import {
  fromPlain,
  isJsonArray,
  isJsonObject,
  parseJson,
  stringifyJson,
  toPlain,
  type JsonObject,
  type JsonValue,
} from '../core/json.js'
import { metadataFromJson, metadataToJson } from '../core/metadata-json.js'
import type { CollectionDefinition } from '../core/records.js'
import { FORMAT, type CollectionDigest } from './manifest.js'
import {
  countSchema,
  digestSchema,
  extentsSchema,
  objectReferenceSchema,
  type Extent,
  type ObjectReference,
} from './object-reference.js'
import type { RowRange } from './row-group-writer.js'

/** Everything about one collection of a backup except its records, and where those are. */
export interface Catalogue {
  readonly definition: CollectionDefinition
  readonly records: number
  readonly missingVectors: number
  readonly digest: CollectionDigest
  /** What the extents below refer to. */
  readonly objects: readonly ObjectReference[]
  /** The base, in the order of the collection. */
  readonly rowGroups: readonly RowGroup[]
  /** What changed since, the oldest first. */
  readonly layers: readonly Layer[]
}

/**
 * What one backup found changed. Every row of the base, and of the appends of all layers, has a *place*: its
 * number in that order, from 0 on. Places never change, so a layer refers to rows by them.
 */
export interface Layer {
  /** Records that take the place of others with the same ids, in the order of their places. */
  readonly replacements: readonly RowGroup[]
  /** The place of each row of the replacements: u32, ascending. */
  readonly places: readonly Extent[]
  /** How many records are no more. */
  readonly deleted: number
  /** For each of them its place (u32, ascending), the length of its id in bytes (u32), its id in UTF-8. */
  readonly tombstones: readonly Extent[]
  /** Records behind the end. */
  readonly appends: readonly RowGroup[]
}

export interface RowGroup {
  /** First 32 digits of the SHA-256 of the index page. */
  readonly id: string
  readonly rows: number
  /** Rows whose vector the source had lost; zeros are stored for them. */
  readonly missing: readonly RowRange[]
  readonly vectors: readonly Extent[]
  readonly payload: readonly Extent[]
  readonly index: readonly Extent[]
}

const rowGroupSchema = v.object({
  id: digestSchema,
  rows: countSchema,
  missing: v.array(v.tuple([countSchema, countSchema])),
  vectors: extentsSchema,
  payload: extentsSchema,
  index: extentsSchema,
})

const layerSchema = v.object({
  replacements: v.array(rowGroupSchema),
  places: extentsSchema,
  deleted: countSchema,
  tombstones: extentsSchema,
  appends: v.array(rowGroupSchema),
})

const catalogueSchema = v.object({
  format: v.literal(FORMAT),
  records: countSchema,
  missingVectors: countSchema,
  digest: v.object({ payload: digestSchema, vectors: digestSchema }),
  objects: v.array(objectReferenceSchema),
  rowGroups: v.array(rowGroupSchema),
  layers: v.array(layerSchema),
})

/** Lossless JSON, so that metadata, configuration and schema keep their numbers. */
export function encodeCatalogue(catalogue: Catalogue): Buffer {
  const { definition, ...rest } = catalogue
  const json = fromPlain({ format: FORMAT, ...rest })
  const members = isJsonObject(json) ? [...json] : []
  return Buffer.from(
    `${stringifyJson(new Map([['definition', definitionToJson(definition)], ...members]))}\n`,
  )
}

/** Undefined when the bytes are not a catalogue that this version knows. */
export function decodeCatalogue(bytes: Buffer): Catalogue | undefined {
  const json = parseJson(bytes.toString('utf8'))
  if (!isJsonObject(json)) return undefined
  const definition = definitionFromJson(json.get('definition') ?? null)
  const rest = new Map(json)
  rest.delete('definition')
  const parsed = v.safeParse(catalogueSchema, toPlain(rest))
  if (definition === undefined || !parsed.success) return undefined
  const { records, missingVectors, digest, objects, rowGroups, layers } = parsed.output
  return { definition, records, missingVectors, digest, objects, rowGroups, layers }
}

export function rowsOf(groups: readonly { readonly rows: number }[]): number {
  return groups.reduce((sum, { rows }) => sum + rows, 0)
}

/** The definition as text; equal definitions have equal texts, although servers shuffle the keys of a schema. */
export function definitionText(definition: CollectionDefinition): string {
  return stringifyJson(withSortedKeys(definitionToJson(definition)))
}

function withSortedKeys(value: JsonValue): JsonValue {
  if (isJsonArray(value)) return value.map(withSortedKeys)
  if (!isJsonObject(value)) return value
  const entries = [...value].sort(([a], [b]) => (a < b ? -1 : 1))
  return new Map(entries.map(([key, member]) => [key, withSortedKeys(member)]))
}

function definitionToJson(definition: CollectionDefinition): JsonObject {
  const { tenant, database, name, id, metadata, configuration, schema, dimension } = definition
  return new Map<string, JsonValue>([
    ['tenant', tenant],
    ['database', database],
    ['name', name],
    ['id', id],
    ['metadata', metadata === null ? null : metadataToJson(metadata)],
    ['configuration', configuration],
    ['schema', schema],
    ['dimension', dimension === null ? null : BigInt(dimension)],
  ])
}

function definitionFromJson(json: JsonValue): CollectionDefinition | undefined {
  if (!isJsonObject(json)) return undefined
  const [tenant, database, name, id] = ['tenant', 'database', 'name', 'id'].map((key) => json.get(key))
  const metadata = metadataFromJson(json.get('metadata') ?? null)
  const dimension = json.get('dimension') ?? null
  if (typeof tenant !== 'string' || typeof database !== 'string') return undefined
  if (typeof name !== 'string' || typeof id !== 'string' || metadata === undefined) return undefined
  if (dimension !== null && typeof dimension !== 'bigint') return undefined
  return {
    tenant,
    database,
    name,
    id,
    metadata,
    configuration: json.get('configuration') ?? null,
    schema: json.get('schema') ?? null,
    dimension: dimension === null ? null : Number(dimension),
  }
}
