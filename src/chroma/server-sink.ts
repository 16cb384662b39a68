import { sliceRows } from '../core/batch-rows.js'
import type { CollectionDefinition, RecordBatch } from '../core/records.js'
import type { ChromaApi, PreFlight } from './api.js'
import { encodeRecords } from './codec/add-body.js'
import { ChromaServerError, PayloadTooLargeError } from './errors.js'
import { RecordFetcher } from './fetch-records.js'

/** A server takes 40 MiB; large bodies beyond this bring no speed. */
const BODY_BYTES = 16 * 1024 * 1024

/** The server has confirmed records that it does not have. */
export class WriteNotKeptError extends ChromaServerError {
  constructor(collection: CollectionDefinition, missing: number) {
    super(`${missing} records that were written to ${collection.name} are not there`)
  }
}

/**
 * Adds records to one collection on a server, in order. There must be no other writer of the same records:
 * an id that is there already is left as it is.
 */
export class ServerCollectionWriter {
  readonly #api: ChromaApi
  readonly #collection: CollectionDefinition
  readonly #fetcher: RecordFetcher
  #preFlight: PreFlight | undefined
  #bodyBytes: number

  constructor(
    api: ChromaApi,
    collection: CollectionDefinition,
    { bodyBytes = BODY_BYTES }: { readonly bodyBytes?: number } = {},
  ) {
    this.#api = api
    this.#collection = collection
    this.#fetcher = new RecordFetcher(api, collection)
    this.#bodyBytes = bodyBytes
  }

  /**
   * The records are durable when the promise resolves. Each must have a vector. After an answer that was
   * lost the request is repeated, and what it wrote is read back.
   */
  async write(batch: RecordBatch, signal?: AbortSignal): Promise<void> {
    this.#preFlight ??= await this.#api.preFlight(signal)
    const { maxBatchSize, base64 } = this.#preFlight
    for (let row = 0; row < batch.ids.length;) {
      const piece = sliceRows(batch, row, row + this.#rowsFrom(batch, row, maxBatchSize))
      await this.#add(piece, base64, signal)
      row += piece.ids.length
    }
  }

  /** The records with these ids as the server has them now. */
  async readBack(ids: readonly string[], signal?: AbortSignal): Promise<RecordBatch> {
    return this.#fetcher.fetch(ids, signal)
  }

  /** In halves when it is too much at once; later bodies are smaller then. */
  async #add(piece: RecordBatch, base64: boolean, signal: AbortSignal | undefined): Promise<void> {
    const body = encodeRecords(piece, { base64 })
    const { retries } = this.#api.transport.stats.retry
    try {
      await this.#api.addEncoded(this.#collection, body, signal)
    } catch (error) {
      const rows = piece.ids.length
      if (!(error instanceof PayloadTooLargeError) || rows === 1) throw error
      this.#bodyBytes = Math.min(this.#bodyBytes, Math.ceil(body.length / 2))
      await this.#add(sliceRows(piece, 0, Math.ceil(rows / 2)), base64, signal)
      await this.#add(sliceRows(piece, Math.ceil(rows / 2), rows), base64, signal)
      return
    }
    if (this.#api.transport.stats.retry.retries > retries) await this.#checkWritten(piece.ids, signal)
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
