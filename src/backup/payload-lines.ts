import { isJsonObject, parseJson, stringifyJson, type JsonValue } from '../core/json.js'
import { metadataFromJson, metadataToJson } from '../core/metadata-json.js'
import type { Metadata } from '../core/metadata.js'
import type { RecordBatch } from '../core/records.js'

/** A piece of text is turned into bytes when it has so many characters; bounds memory for long documents. */
const PIECE_CHARACTERS = 1024 * 1024

/** Everything of a record except its vector. */
export interface PayloadRow {
  readonly id: string
  readonly document: string | null
  readonly uri: string | null
  readonly metadata: Metadata | null
}

/** Rows `from` to `to` (exclusive) as JSON lines; a piece ends with the end of a line. */
export function* encodePayload(batch: RecordBatch, from: number, to: number): Generator<Buffer> {
  let text = ''
  for (let row = from; row < to; row++) {
    text += encodeLine(batch, row)
    if (text.length < PIECE_CHARACTERS) continue
    yield Buffer.from(text)
    text = ''
  }
  if (text !== '') yield Buffer.from(text)
}

/** Bytes of row `row` as {@link encodePayload} gives it. */
export function payloadLength(batch: RecordBatch, row: number): number {
  return Buffer.byteLength(encodeLine(batch, row))
}

/** A JSON line with its line feed. */
export function encodeLine({ ids, documents, uris, metadatas }: RecordBatch, row: number): string {
  const document = documents[row] ?? null
  const uri = uris[row] ?? null
  const metadata = metadatas[row] ?? null
  let line = `{"id":${JSON.stringify(ids[row])}`
  if (document !== null) line += `,"document":${JSON.stringify(document)}`
  if (uri !== null) line += `,"uri":${JSON.stringify(uri)}`
  if (metadata !== null) line += `,"metadata":${stringifyJson(metadataToJson(metadata))}`
  return `${line}}\n`
}

/** Undefined when the line is not one of ours. Throws JsonSyntaxError when it is not JSON. */
export function decodeLine(line: string): PayloadRow | undefined {
  const json = parseJson(line)
  if (!isJsonObject(json)) return undefined
  const id = json.get('id')
  const document = optionalText(json.get('document'))
  const uri = optionalText(json.get('uri'))
  const metadata = metadataFromJson(json.get('metadata') ?? null)
  if (typeof id !== 'string' || document === undefined || uri === undefined || metadata === undefined) {
    return undefined
  }
  return { id, document, uri, metadata }
}

function optionalText(json: JsonValue | undefined): string | null | undefined {
  if (json === undefined || json === null) return null
  return typeof json === 'string' ? json : undefined
}
