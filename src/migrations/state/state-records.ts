import { randomUUID } from 'node:crypto'

import type { ChromaApi, CollectionRef } from '../../chroma/api.js'
import { withListing } from '../../chroma/list-windows.js'
import { stringifyJson, isJsonArray, isJsonObject, parseJson, type JsonValue } from '../../core/json.js'
import type { RecordBatch } from '../../core/records.js'
import { StateConflictError, StateDamagedError } from './state-errors.js'

/** Chroma Cloud answers with 300 records at most, and takes documents of 16 KiB. */
const PAGE = 300
const MAX_DOCUMENT_BYTES = 15_000
/** Documents of the largest size in one answer: 1.5 MB. */
const FETCH = 100
/** Members of a long text are replaced while it is read. */
const ATTEMPTS = 5

const PART_PREFIX = 'p:'

/** One JSON value under an id. */
export interface StateRecord {
  readonly id: string
  readonly value: JsonValue
}

/**
 * JSON values in the documents of a collection; a long one is spread over several records, which are written before
 * the one that names them. The payload is in the document alone: an upsert would merge metadata, not replace it.
 */
export class StateRecords {
  readonly #api: ChromaApi
  readonly #collection: CollectionRef
  /** Those that have parts, as far as was read or written. */
  readonly #parted = new Set<string>()

  constructor(api: ChromaApi, collection: CollectionRef) {
    this.#api = api
    this.#collection = collection
  }

  /** The records whose id begins with one of these, in the order of insertion. */
  async read(prefixes: readonly string[], signal?: AbortSignal): Promise<readonly StateRecord[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#readOnce(prefixes, signal)
      } catch (error) {
        if (!(error instanceof StateDamagedError) || attempt === ATTEMPTS) throw error
      }
    }
  }

  /** All ids, those of parts too. */
  async ids(signal?: AbortSignal): Promise<readonly string[]> {
    const job = { api: this.#api, collection: this.#collection, window: PAGE, signal }
    return withListing(job, async (pieces) => {
      const ids: string[] = []
      for await (const piece of pieces) ids.push(...piece)
      return ids
    })
  }

  /** Replaces what is there. */
  async put(id: string, value: JsonValue, signal?: AbortSignal): Promise<void> {
    const { head, parts } = split(id, value)
    if (parts.length > 0) await this.#api.add(this.#collection, batchOf(parts), signal)
    await this.#api.upsert(this.#collection, batchOf([{ id, text: head }]), signal)
    if (parts.length === 0 && !this.#parted.has(id)) return
    this.#parted.add(id)
    await this.#removeParts(id, new Set(parts.map((part) => part.id)), signal)
    if (parts.length === 0) this.#parted.delete(id)
  }

  /** Only if there is nothing: the first write wins, silently, so it is read back. */
  async add(id: string, value: JsonValue, signal?: AbortSignal): Promise<void> {
    const { head, parts } = split(id, value)
    await this.#api.add(this.#collection, batchOf([...parts, { id, text: head }]), signal)
    const { documents } = await this.#fetch([id], signal)
    if (documents[0] !== head) throw new StateConflictError(id)
  }

  async remove(id: string, signal?: AbortSignal): Promise<void> {
    await this.#api.deleteRecords(this.#collection, [id], signal)
    await this.#removeParts(id, new Set(), signal)
  }

  async #removeParts(id: string, keep: ReadonlySet<string>, signal: AbortSignal | undefined): Promise<void> {
    const isOld = (part: string) => part.startsWith(`${PART_PREFIX}${id}:`) && !keep.has(part)
    await this.#api.deleteRecords(this.#collection, (await this.ids(signal)).filter(isOld), signal)
  }

  async #readOnce(
    prefixes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<readonly StateRecord[]> {
    const texts = await this.#texts((id) => prefixes.some((prefix) => id.startsWith(prefix)), signal)
    const records: StateRecord[] = []
    for (const [id, text] of texts) records.push({ id, value: await this.#whole(id, text, signal) })
    return records
  }

  /** A short history comes in one answer. */
  async #texts(
    isWanted: (id: string) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<readonly (readonly [string, string])[]> {
    const page = { limit: PAGE, offset: 0, include: ['documents'] as const }
    const first = await this.#api.get(this.#collection, page, signal)
    if (first.ids.length < PAGE) return textsOf(first).filter(([id]) => isWanted(id))
    const ids = (await this.ids(signal)).filter(isWanted)
    return this.#textsOf(ids, signal)
  }

  async #textsOf(
    ids: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<readonly (readonly [string, string])[]> {
    const found = new Map<string, string>()
    for (let start = 0; start < ids.length; start += FETCH)
      for (const [id, text] of textsOf(await this.#fetch(ids.slice(start, start + FETCH), signal)))
        found.set(id, text)
    return ids.flatMap((id) => {
      const text = found.get(id)
      return text === undefined ? [] : [[id, text] as const]
    })
  }

  async #whole(id: string, text: string, signal: AbortSignal | undefined): Promise<JsonValue> {
    const value = parsed(id, text)
    const parts = isJsonObject(value) ? value.get('parts') : undefined
    if (parts === undefined) return value
    this.#parted.add(id)
    const ids = isJsonArray(parts) ? parts.filter((part) => typeof part === 'string') : []
    const texts = await this.#textsOf(ids, signal)
    if (texts.length !== ids.length || ids.length === 0) throw new StateDamagedError(id, 'lacks a part')
    return parsed(id, texts.map(([, part]) => part).join(''))
  }

  #fetch(ids: readonly string[], signal: AbortSignal | undefined): Promise<RecordBatch> {
    return this.#api.get(this.#collection, { ids, include: ['documents'] }, signal)
  }
}

function parsed(id: string, text: string): JsonValue {
  try {
    return parseJson(text)
  } catch (error) {
    throw new StateDamagedError(id, 'is not JSON', error)
  }
}

function textsOf({ ids, documents }: RecordBatch): (readonly [string, string])[] {
  return ids.map((id, row) => [id, documents[row] ?? ''] as const)
}

interface TextRecord {
  readonly id: string
  readonly text: string
}

function split(id: string, value: JsonValue): { head: string; parts: readonly TextRecord[] } {
  const text = stringifyJson(value)
  const bytes = Buffer.from(text)
  if (bytes.length <= MAX_DOCUMENT_BYTES) return { head: text, parts: [] }
  const revision = randomUUID().slice(0, 8)
  const parts: TextRecord[] = []
  for (let start = 0; start < bytes.length;) {
    let end = Math.min(bytes.length, start + MAX_DOCUMENT_BYTES)
    // Not inside a character: its further bytes are 10xxxxxx.
    while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
    parts.push({
      id: `${PART_PREFIX}${id}:${revision}:${parts.length}`,
      text: bytes.toString('utf8', start, end),
    })
    start = end
  }
  return { head: stringifyJson(new Map([['parts', parts.map((part) => part.id)]])), parts }
}

/** A record needs a vector; all have the same. */
function batchOf(records: readonly TextRecord[]): RecordBatch {
  return {
    ids: records.map(({ id }) => id),
    dimension: 1,
    embeddings: new Float32Array(records.length).fill(1),
    missingEmbeddings: [],
    documents: records.map(({ text }) => text),
    uris: records.map(() => null),
    metadatas: records.map(() => null),
  }
}
