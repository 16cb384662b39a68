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
  /** What the extents of the row groups refer to. */
  readonly objects: readonly ObjectReference[]
  /** In the order of the collection. */
  readonly rowGroups: readonly RowGroup[]
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

const catalogueSchema = v.object({
  format: v.literal(FORMAT),
  // Deltas of incremental backups: a reader that does not know them must not skip them.
  layers: v.pipe(v.array(v.unknown()), v.maxLength(0)),
  records: countSchema,
  missingVectors: countSchema,
  digest: v.object({ payload: digestSchema, vectors: digestSchema }),
  objects: v.array(objectReferenceSchema),
  rowGroups: v.array(rowGroupSchema),
})

/** Lossless JSON, so that metadata, configuration and schema keep their numbers. */
export function encodeCatalogue(catalogue: Catalogue): Buffer {
  const { definition, ...rest } = catalogue
  const json = fromPlain({ format: FORMAT, ...rest, layers: [] })
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
  const { records, missingVectors, digest, objects, rowGroups } = parsed.output
  return { definition, records, missingVectors, digest, objects, rowGroups }
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
