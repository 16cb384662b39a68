import type { FileHandle } from 'node:fs/promises'
import zlib from 'node:zlib'

import type { AsyncBuffer, Compressors, FileMetaData, SchemaElement } from 'hyparquet'
import type { ByteWriter, ParquetWriter } from 'hyparquet-writer'

import { asError, throwIfAborted } from '../../core/errors.js'
import { JsonSyntaxError, parseJson, stringifyJson } from '../../core/json.js'
import { metadataToJson } from '../../core/metadata-json.js'
import type { RecordBatch } from '../../core/records.js'
import { checkPages } from './check-pages.js'
import { RecordFileError } from './record-file-error.js'
import {
  FieldError,
  FIELDS,
  isField,
  kindOf,
  metadataField,
  optionalTextField,
  textField,
  type FileRecord,
} from './record-fields.js'
import type { RecordGate } from './record-gate.js'

/** Rows of a row group, fewer where vectors are long: the writer keeps all of their numbers in memory. */
const GROUP_ROWS = 2000
const GROUP_FLOATS = 1024 * 1024

const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: 5 },
  { name: 'id', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
  { name: 'embedding', converted_type: 'LIST', repetition_type: 'OPTIONAL', num_children: 1 },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
  { name: 'document', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  { name: 'uri', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  { name: 'metadata', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
]

/** Writes records as a Parquet file; see docs/archives.md for its columns. Memory: a row group. */
export class ParquetFileWriter {
  readonly #handle: FileHandle
  readonly #bytes: ByteWriter
  readonly #parquet: ParquetWriter

  private constructor(handle: FileHandle, bytes: ByteWriter, parquet: ParquetWriter) {
    this.#handle = handle
    this.#bytes = bytes
    this.#parquet = parquet
  }

  static async create(handle: FileHandle): Promise<ParquetFileWriter> {
    const { ByteWriter: Bytes, ParquetWriter: Writer } = await import('hyparquet-writer')
    const bytes = new Bytes(1024 * 1024)
    const options = { writer: bytes, schema: SCHEMA, statistics: false, createdBy: 'chroma-ops' }
    return new ParquetFileWriter(handle, bytes, new Writer(options))
  }

  async write(batch: RecordBatch): Promise<void> {
    const step = Math.max(1, Math.min(GROUP_ROWS, Math.floor(GROUP_FLOATS / Math.max(1, batch.dimension))))
    for (let from = 0; from < batch.ids.length; from += step) {
      const to = Math.min(from + step, batch.ids.length)
      await this.#parquet.write({ columnData: columnsOf(batch, from, to), rowGroupSize: to - from })
      await this.#flush()
    }
  }

  async finish(): Promise<void> {
    await this.#parquet.finish()
    await this.#flush()
  }

  async #flush(): Promise<void> {
    await this.#handle.appendFile(new Uint8Array(this.#bytes.buffer, 0, this.#bytes.index))
    this.#bytes.index = 0
  }
}

function columnsOf(batch: RecordBatch, from: number, to: number) {
  const { dimension, embeddings } = batch
  const missing = new Set(batch.missingEmbeddings)
  const vectors: (number[] | null)[] = []
  for (let row = from; row < to; row++) {
    const vector = embeddings.subarray(row * dimension, (row + 1) * dimension)
    vectors.push(missing.has(row) || dimension === 0 ? null : Array.from(vector))
  }
  const metadatas = batch.metadatas
    .slice(from, to)
    .map((metadata) => (metadata === null ? null : stringifyJson(metadataToJson(metadata))))
  return [
    { name: 'id', data: batch.ids.slice(from, to) },
    { name: 'embedding', data: vectors, encoding: 'PLAIN' as const, codec: 'UNCOMPRESSED' as const },
    { name: 'document', data: batch.documents.slice(from, to) },
    { name: 'uri', data: batch.uris.slice(from, to) },
    { name: 'metadata', data: metadatas },
  ]
}

/** The records of a Parquet file, through a gate. Memory: a row group. Rejects with a {@link RecordFileError}. */
export async function* readParquet(
  file: string,
  gate: RecordGate,
  signal: AbortSignal | undefined,
): AsyncGenerator<RecordBatch> {
  throwIfAborted(signal)
  const { file: buffer, metadata } = await openParquet(file)
  const columns = columnsIn(metadata, file)
  const hyparquet = await import('hyparquet')
  let first = 0
  for (const group of metadata.row_groups) {
    const last = first + Number(group.num_rows)
    const rows = await explained(file, `rows ${first + 1} to ${last}`, async () => {
      await checkPages(buffer, metadata, group, compressors)
      return hyparquet.parquetReadObjects({
        file: buffer,
        metadata,
        columns,
        rowStart: first,
        rowEnd: last,
        compressors,
        parsers: { stringFromBytes, jsonFromBytes: stringFromBytes },
      })
    })
    if (rows.length !== last - first)
      throw new RecordFileError(file, null, `has ${rows.length} of the rows ${first + 1} to ${last}`)
    for (const [index, row] of rows.entries()) {
      const line = first + index + 1
      gate.add(recordOf(row, file, line), line)
      if (!gate.isFull) continue
      const batch = gate.take()
      if (batch !== null) yield batch
      throwIfAborted(signal)
    }
    first = last
    throwIfAborted(signal)
  }
  const rest = gate.take()
  if (rest !== null) yield rest
}

async function openParquet(file: string): Promise<{ file: AsyncBuffer; metadata: FileMetaData }> {
  const { asyncBufferFromFile, parquetMetadataAsync } = await import('hyparquet')
  const buffer = await explained(file, 'it', () => asyncBufferFromFile(file))
  const metadata = await explained(file, 'its footer', () =>
    parquetMetadataAsync(buffer, { geoparquet: false }),
  )
  return { file: buffer, metadata }
}

/** A damaged file shows itself in any way; whatever the reader throws is about the file. */
async function explained<T>(file: string, what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw new RecordFileError(file, null, `${what} cannot be read: ${asError(error).message}`, {
      cause: error,
    })
  }
}

/** Columns by name; a column that would be lost is an error. */
function columnsIn({ schema }: FileMetaData, file: string): string[] {
  const names: string[] = []
  for (let at = 1; at < schema.length; at = behind(schema, at)) names.push(schema[at]?.name ?? '')
  const unknown = names.find((name) => !isField(name))
  if (unknown !== undefined)
    throw new RecordFileError(file, null, `there is no column ${unknown}; known are ${FIELDS.join(', ')}`, {
      hint: 'rename it, leave it out, or put it into metadata',
    })
  if (!names.includes('id')) throw new RecordFileError(file, null, 'there is no column id')
  return names
}

function behind(schema: readonly SchemaElement[], at: number): number {
  let next = at + 1
  for (let child = 0; child < (schema[at]?.num_children ?? 0); child++) next = behind(schema, next)
  return next
}

function recordOf(row: Readonly<Record<string, unknown>>, file: string, line: number): FileRecord {
  try {
    return {
      id: textField('id', row['id']),
      embedding: vectorOf(row['embedding']),
      document: optionalTextField('document', row['document']),
      uri: optionalTextField('uri', row['uri']),
      metadata: metadataOf(row['metadata']),
    }
  } catch (error) {
    if (error instanceof FieldError) throw new RecordFileError(file, line, error.message)
    throw error
  }
}

/** A list of floats, doubles or integers. */
function vectorOf(value: unknown): Float32Array | null {
  if (value === null || value === undefined) return null
  const items: unknown[] | null = Array.isArray(value)
    ? value
    : ArrayBuffer.isView(value)
      ? itemsOf(value)
      : null
  if (items === null) throw new FieldError(`embedding is ${kindOf(value)}, not a list of numbers`)
  const floats = new Float32Array(items.length)
  for (const [index, item] of items.entries()) {
    if (typeof item !== 'number' && typeof item !== 'bigint')
      throw new FieldError(`embedding[${index}] is ${kindOf(item)}, not a number`)
    const double = Number(item)
    floats[index] = double
    if (Number.isFinite(double) && !Number.isFinite(floats[index] ?? NaN))
      throw new FieldError(`embedding[${index}] is too large for a float32`)
  }
  return floats
}

function itemsOf(view: ArrayBufferView): unknown[] | null {
  return Symbol.iterator in view && typeof view[Symbol.iterator] === 'function'
    ? Array.from(Object.values(view))
    : null
}

function metadataOf(value: unknown) {
  if (value === null || value === undefined) return null
  if (typeof value !== 'string')
    throw new FieldError(`metadata is ${kindOf(value)}, not text with a JSON object`)
  try {
    return metadataField(parseJson(value))
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new FieldError(`metadata is not JSON: ${error.message}`)
    throw error
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The default would leave out a byte order mark, and replace what is no UTF-8. */
function stringFromBytes(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : decoder.decode(bytes)
}

const compressors: Compressors = {
  GZIP: (bytes, length) => zlib.gunzipSync(bytes, { maxOutputLength: length }),
  BROTLI: (bytes, length) => zlib.brotliDecompressSync(bytes, { maxOutputLength: length }),
}
