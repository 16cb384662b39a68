import { readFile } from 'node:fs/promises'
import path from 'node:path'

import { asError, isErrno } from '../../core/errors.js'
import {
  isJsonArray,
  isJsonObject,
  JsonSyntaxError,
  parseJson,
  stringifyJson,
  type JsonObject,
  type JsonValue,
} from '../../core/json.js'
import { metadataFromJson, metadataToJson } from '../../core/metadata-json.js'
import type { CollectionDefinition } from '../../core/records.js'
import { RepositoryUnsupportedError } from '../errors.js'
import { RecordFileError } from './record-file-error.js'

/** Beside the files with records: what they belong to. It is written last. */
export const COLLECTIONS_FILE = 'collections.json'

export type RecordFormat = 'jsonl' | 'parquet'

/** A file with the records of one collection. */
export interface RecordFile {
  readonly definition: CollectionDefinition
  /** A path. */
  readonly file: string
  readonly format: RecordFormat
  /** How many there must be; null: whatever there is. */
  readonly records: number | null
}

const FORMAT = 1n

/** The document, with numbers as the source wrote them. `backup`: where the records are from. */
export function encodeCollections(backup: string, files: readonly RecordFile[]): string {
  const lines = files.map((file) => `  ${stringifyJson(encodeFile(file))}`)
  return `{"format":${FORMAT},"backup":${JSON.stringify(backup)},"collections":[\n${lines.join(',\n')}\n]}\n`
}

function encodeFile({ definition, file, format, records }: RecordFile): JsonObject {
  const { tenant, database, name, id, metadata, configuration, schema, dimension } = definition
  return new Map<string, JsonValue>([
    ['file', path.basename(file)],
    ['format', format],
    ['tenant', tenant],
    ['database', database],
    ['name', name],
    ['id', id],
    ['dimension', dimension === null ? null : BigInt(dimension)],
    ['records', records === null ? null : BigInt(records)],
    ['metadata', metadata === null ? null : metadataToJson(metadata)],
    ['configuration', configuration],
    ['schema', schema],
  ])
}

/** The files that an export has put into a folder. Rejects with a {@link RecordFileError}. */
export async function readCollectionsFile(folder: string): Promise<readonly RecordFile[]> {
  const place = path.join(folder, COLLECTIONS_FILE)
  const document = parse(await textOf(place), place)
  const format = isJsonObject(document) ? document.get('format') : undefined
  if (typeof format === 'bigint' && format > FORMAT)
    throw new RepositoryUnsupportedError(place, `format ${format}`)
  const list = isJsonObject(document) ? document.get('collections') : undefined
  if (list === undefined || !isJsonArray(list)) throw wrong(place, 'has no list of collections')
  return list.map((item, index) => decodeFile(item, folder, place, index))
}

function decodeFile(item: JsonValue, folder: string, place: string, index: number): RecordFile {
  const fail = (member: string) => wrong(place, `collections[${index}].${member} is missing or wrong`)
  if (!isJsonObject(item)) throw wrong(place, `collections[${index}] is not an object`)
  const text = (member: string): string => {
    const value = item.get(member)
    if (typeof value !== 'string' || value === '') throw fail(member)
    return value
  }
  const count = (member: string): number | null => {
    const value = item.get(member) ?? null
    if (value === null) return null
    if (typeof value !== 'bigint' || value < 0n || value > Number.MAX_SAFE_INTEGER) throw fail(member)
    return Number(value)
  }
  const file = text('file')
  // Nothing outside of the folder, whatever the document says.
  if (path.basename(file) !== file || file === '..' || file.includes('\\')) throw fail('file')
  const format = text('format')
  if (format !== 'jsonl' && format !== 'parquet') throw fail('format')
  const metadata = metadataFromJson(item.get('metadata') ?? null)
  if (metadata === undefined) throw fail('metadata')
  return {
    file: path.join(folder, file),
    format,
    records: count('records'),
    definition: {
      tenant: text('tenant'),
      database: text('database'),
      name: text('name'),
      id: text('id'),
      metadata,
      configuration: item.get('configuration') ?? null,
      schema: item.get('schema') ?? null,
      dimension: count('dimension'),
    },
  }
}

async function textOf(place: string): Promise<string> {
  try {
    return await readFile(place, 'utf8')
  } catch (error) {
    const hint =
      'name a file with records and --collection, or a folder that "chroma-ops backup export" has filled'
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw new RecordFileError(place, null, 'is missing', { hint })
    throw new RecordFileError(place, null, asError(error).message, { cause: error })
  }
}

function parse(text: string, place: string): JsonValue {
  try {
    return parseJson(text)
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw wrong(place, `is not JSON: ${error.message}`)
    throw error
  }
}

function wrong(place: string, message: string): RecordFileError {
  return new RecordFileError(place, null, message)
}
