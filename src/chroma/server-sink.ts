import { sliceRows } from '../core/batch-rows.js'
import type { CollectionDefinition, RecordBatch } from '../core/records.js'
import type { ChromaApi, PreFlight } from './api.js'
import { encodeRecords } from './codec/add-body.js'
import { ChromaServerError, PayloadTooLargeError } from './errors.js'
import { RecordFetcher } from './fetch-records.js'

/** A server takes 40 MiB. Smaller bodies are written no slower, and the next is made while one is written. */
const BODY_BYTES = 2 * 1024 * 1024

export interface WriterOptions {
  readonly bodyBytes?: number
  /** What happens to a record that has the id already; default: it stays. */
  readonly existing?: 'keep' | 'replace'
}

/** The server has confirmed records that it does not have. */
export class WriteNotKeptError extends ChromaServerError {
  constructor(collection: CollectionDefinition, missing: number) {
    super(`${missing} records that were written to ${collection.name} are not there`)
  }
}

/**
 * Adds records to one collection on a server, in order. There must be no other writer of the same records:
 * an id that is there already is left as it is, or written over as Chroma's upsert does it.
 */
export class ServerCollectionWriter {
  readonly #api: ChromaApi
  readonly #collection: CollectionDefinition
  readonly #fetcher: RecordFetcher
  readonly #existing: 'keep' | 'replace'
  #preFlight: PreFlight | undefined
  #bodyBytes: number

  constructor(
    api: ChromaApi,
    collection: CollectionDefinition,
    { bodyBytes = BODY_BYTES, existing = 'keep' }: WriterOptions = {},
  ) {
    this.#api = api
    this.#collection = collection
    this.#fetcher = new RecordFetcher(api, collection)
    this.#bodyBytes = bodyBytes
    this.#existing = existing
  }

  /**
   * The records are durable when the promise resolves. Each must have a vector. After an answer that was
   * lost the request is repeated, and what it wrote is read back.
   */
  async write(batch: RecordBatch, signal?: AbortSignal): Promise<void> {
    this.#preFlight ??= await this.#api.preFlight(signal)
    const { maxBatchSize, base64 } = this.#preFlight
    const prepare = (row: number): Piece | null => {
      if (row === batch.ids.length) return null
      const end = row + this.#rowsFrom(batch, row, Math.min(maxBatchSize, this.#api.mostPerRequest))
      const records = sliceRows(batch, row, end)
      return { records, body: encodeRecords(records, { base64 }), end }
    }
    for (let piece = prepare(0); piece !== null;) {
      const writing = this.#add(piece, base64, signal)
      try {
        piece = prepare(piece.end)
      } finally {
        await writing
      }
    }
  }

  /** The records with these ids as the server has them now. */
  async readBack(ids: readonly string[], signal?: AbortSignal): Promise<RecordBatch> {
    return this.#fetcher.fetch(ids, signal)
  }

  /** In halves when it is too much at once; later bodies are smaller then. */
  async #add({ records, body }: Body, base64: boolean, signal: AbortSignal | undefined): Promise<void> {
    const { retries } = this.#api.transport.stats.retry
    try {
      const operation = this.#existing === 'keep' ? 'add' : 'upsert'
      await this.#api.addEncoded(this.#collection, body, signal, operation)
    } catch (error) {
      const rows = records.ids.length
      if (!(error instanceof PayloadTooLargeError) || rows === 1) throw error
      this.#bodyBytes = Math.min(this.#bodyBytes, Math.ceil(body.length / 2))
      for (const [from, to] of halves(rows)) {
        const half = sliceRows(records, from, to)
        await this.#add({ records: half, body: encodeRecords(half, { base64 }) }, base64, signal)
      }
      return
    }
    if (this.#api.transport.stats.retry.retries > retries) await this.#checkWritten(records.ids, signal)
  }

  async #checkWritten(ids: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const there = await this.#api.get(this.#collection, { ids, include: [] }, signal)
    const missing = ids.length - there.ids.length
    if (missing > 0) throw new WriteNotKeptError(this.#collection, missing)
  }

  /** How many rows fit into one body, at least one. */
  #rowsFrom(batch: RecordBatch, from: number, most: number): number {
    let bytes = 0
    let row = from
    for (; row < batch.ids.length && row - from < most; row++) {
      bytes += bodyBytesOf(batch, row)
      if (bytes > this.#bodyBytes && row > from) break
    }
    return row - from
  }
}

interface Body {
  readonly records: RecordBatch
  /** The same, encoded. */
  readonly body: Uint8Array
}

interface Piece extends Body {
  /** The first row behind it. */
  readonly end: number
}

function halves(rows: number): readonly (readonly [from: number, to: number])[] {
  const middle = Math.ceil(rows / 2)
  return [
    [0, middle],
    [middle, rows],
  ]
}

/** An estimate; text beyond ASCII takes more. */
function bodyBytesOf(batch: RecordBatch, row: number): number {
  let bytes = 32 + (batch.dimension * 16) / 3
  bytes += batch.ids[row]?.length ?? 0
  bytes += batch.documents[row]?.length ?? 0
  bytes += batch.uris[row]?.length ?? 0
  for (const [key, value] of batch.metadatas[row] ?? [])
    bytes += key.length + 24 + (typeof value === 'string' ? value.length : 0)
  return bytes
}
