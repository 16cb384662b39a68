import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'

import { asError, throwIfAborted } from '../../core/errors.js'
import { isJsonObject, JsonSyntaxError, parseJson } from '../../core/json.js'
import type { RecordBatch } from '../../core/records.js'
import { encodeLine } from '../payload-lines.js'
import { floatText } from './float-text.js'
import { RecordFileError } from './record-file-error.js'
import {
  embeddingField,
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

/** A line may be as long as the longest record that a server takes, and then some. */
const MAX_LINE_BYTES = 256 * 1024 * 1024
const PIECE_CHARACTERS = 1024 * 1024
const NEWLINE = 10

/** Writes records as JSON lines: what a line of a payload has, and `embedding`. */
export class JsonlWriter {
  readonly #handle: FileHandle
  #text = ''

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async write(batch: RecordBatch): Promise<void> {
    const missing = new Set(batch.missingEmbeddings)
    for (let row = 0; row < batch.ids.length; row++) {
      this.#text += lineOf(batch, row, missing.has(row))
      if (this.#text.length >= PIECE_CHARACTERS) await this.#flush()
    }
  }

  async finish(): Promise<void> {
    await this.#flush()
  }

  async #flush(): Promise<void> {
    const text = this.#text
    this.#text = ''
    if (text !== '') await this.#handle.appendFile(text)
  }
}

function lineOf(batch: RecordBatch, row: number, isMissing: boolean): string {
  const { dimension, embeddings } = batch
  const vector = embeddings.subarray(row * dimension, (row + 1) * dimension)
  const text = isMissing ? 'null' : `[${Array.from(vector, floatText).join(',')}]`
  return `${encodeLine(batch, row).slice(0, -2)},"embedding":${text}}\n`
}

/** The records of a file of JSON lines, through a gate. Rejects with a {@link RecordFileError}. */
export async function* readJsonl(
  file: string,
  gate: RecordGate,
  signal: AbortSignal | undefined,
): AsyncGenerator<RecordBatch> {
  throwIfAborted(signal)
  let line = 0
  for await (const lines of linesOf(file)) {
    for (const bytes of lines) {
      line++
      const text = textOf(bytes, file, line)
      if (text.trim() === '') continue
      gate.add(recordOf(text, file, line), line)
      if (!gate.isFull) continue
      const batch = gate.take()
      if (batch !== null) yield batch
      throwIfAborted(signal)
    }
    throwIfAborted(signal)
  }
  const rest = gate.take()
  if (rest !== null) yield rest
}

async function* piecesOf(file: string): AsyncGenerator<Buffer> {
  const pieces: AsyncIterable<Buffer> = createReadStream(file, { highWaterMark: 256 * 1024 })
  try {
    yield* pieces
  } catch (error) {
    throw new RecordFileError(file, null, `it cannot be read: ${asError(error).message}`, { cause: error })
  }
}

async function* linesOf(file: string): AsyncGenerator<readonly Buffer[]> {
  let rest: Buffer[] = []
  let restBytes = 0
  let count = 0
  for await (const bytes of piecesOf(file)) {
    const lines: Buffer[] = []
    let at = 0
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, at)) {
      lines.push(Buffer.concat([...rest, bytes.subarray(at, end)]))
      rest = []
      restBytes = 0
      at = end + 1
    }
    if (at < bytes.length) rest.push(bytes.subarray(at))
    restBytes += bytes.length - at
    count += lines.length
    if (restBytes > MAX_LINE_BYTES)
      throw new RecordFileError(file, count + 1, `the line is longer than ${MAX_LINE_BYTES} bytes`)
    yield lines
  }
  if (rest.length > 0) yield [Buffer.concat(rest)]
}

/** Leaves out a byte order mark. */
const decoder = new TextDecoder('utf-8', { fatal: true })

function textOf(bytes: Buffer, file: string, line: number): string {
  try {
    return decoder.decode(bytes)
  } catch (error) {
    throw new RecordFileError(file, line, 'the line is not UTF-8', { cause: error })
  }
}

function recordOf(text: string, file: string, line: number): FileRecord {
  try {
    const json = parseJson(text)
    if (!isJsonObject(json)) throw new FieldError(`the line is ${kindOf(json)}, not an object`)
    for (const name of json.keys())
      if (!isField(name))
        throw new FieldError(
          `there is no field ${JSON.stringify(name.slice(0, 50))}; known are ${FIELDS.join(', ')}`,
        )
    return {
      id: textField('id', json.get('id')),
      embedding: embeddingField(json.get('embedding')),
      document: optionalTextField('document', json.get('document')),
      uri: optionalTextField('uri', json.get('uri')),
      metadata: metadataField(json.get('metadata')),
    }
  } catch (error) {
    if (error instanceof FieldError) throw new RecordFileError(file, line, error.message)
    if (error instanceof JsonSyntaxError)
      throw new RecordFileError(file, line, `the line is not JSON: ${error.message}`, { cause: error })
    throw error
  }
}
