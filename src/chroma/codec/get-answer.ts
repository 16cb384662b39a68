import type { Buffer } from 'node:buffer'

import type { Metadata } from '../../core/metadata.js'
import type { RecordBatch } from '../../core/records.js'
import { BodyCursor } from './body-cursor.js'
import { MetadataReader } from './metadata-reader.js'
import { readVectors, type Vectors } from './vectors.js'

export type Include = 'documents' | 'embeddings' | 'metadatas' | 'uris'

/** Either ids, or a page by offset in the order of insertion. */
export interface GetRequest {
  readonly ids?: readonly string[] | undefined
  readonly limit?: number | undefined
  readonly offset?: number | undefined
  readonly include: readonly Include[]
}

export function getBody(request: GetRequest): string {
  return JSON.stringify(request)
}

/**
 * The records in the answer to a `get`. Throws a {@link ChromaGarbledAnswerError} unless it is whole, of one
 * shape, and about nothing but the ids that were asked for, each at most once.
 */
export function readGetAnswer(body: Buffer, request: GetRequest): RecordBatch {
  const cursor = new BodyCursor(body)
  const columns = new Columns(cursor)
  let vectorsAt: number | undefined
  cursor.members((key) => {
    if (key === 'ids') columns.ids = columns.texts()
    else if (key === 'documents') columns.documents = columns.optional(() => columns.textOrNull())
    else if (key === 'uris') columns.uris = columns.optional(() => columns.textOrNull())
    else if (key === 'metadatas') columns.readMetadatas()
    else if (key === 'embeddings' && columns.ids !== undefined) columns.readVectors()
    else {
      // Vectors are read once it is known how many there are.
      if (key === 'embeddings') vectorsAt = cursor.at
      cursor.skipValue()
    }
  })
  cursor.end()
  if (vectorsAt !== undefined) {
    cursor.at = vectorsAt
    columns.readVectors()
  }
  return columns.batch(request)
}

class Columns {
  ids: string[] | undefined
  documents: (string | null)[] | null = null
  uris: (string | null)[] | null = null
  #metadatas: (Metadata | null)[] | null = null
  #vectors: Vectors | null = null
  readonly #cursor: BodyCursor

  constructor(cursor: BodyCursor) {
    this.#cursor = cursor
  }

  texts(): string[] {
    const texts: string[] = []
    this.#cursor.elements(() => texts.push(this.#cursor.string()))
    return texts
  }

  textOrNull(): string | null {
    return this.#cursor.takeNull() ? null : this.#cursor.string()
  }

  /** Null for a column that is null, that is, not asked for. */
  optional<T>(read: () => T): T[] | null {
    if (this.#cursor.takeNull()) return null
    const column: T[] = []
    this.#cursor.elements(() => column.push(read()))
    return column
  }

  readMetadatas(): void {
    const reader = new MetadataReader(this.#cursor)
    this.#metadatas = this.optional(() => reader.read())
  }

  readVectors(): void {
    if (!this.#cursor.takeNull()) this.#vectors = readVectors(this.#cursor, this.ids?.length ?? 0)
  }

  batch(request: GetRequest): RecordBatch {
    const ids = this.ids ?? this.#cursor.fail('it has no ids')
    this.#checkIds(ids, request.ids)
    const has = (column: Include) => request.include.includes(column)
    const vectors = has('embeddings') ? this.#vectors : none
    if (vectors === null) return this.#cursor.fail('the embeddings are missing')
    return {
      ids,
      dimension: vectors.dimension,
      embeddings: vectors.floats,
      missingEmbeddings: vectors.missing,
      documents: this.#column('documents', has, this.documents, ids),
      uris: this.#column('uris', has, this.uris, ids),
      metadatas: this.#column('metadatas', has, this.#metadatas, ids),
    }
  }

  #column<T>(
    name: Include,
    has: (column: Include) => boolean,
    column: (T | null)[] | null,
    ids: readonly string[],
  ): (T | null)[] {
    if (!has(name)) return new Array<T | null>(ids.length).fill(null)
    if (column?.length !== ids.length) return this.#cursor.fail(`${ids.length} ids, not as many ${name}`)
    return column
  }

  #checkIds(ids: readonly string[], asked: readonly string[] | undefined): void {
    // Nearly always; those that ask do not ask for an id twice.
    if (asked?.length === ids.length && ids.every((id, row) => id === asked[row])) return
    const seen = new Set(ids)
    if (seen.size < ids.length) this.#cursor.fail('an id comes twice')
    if (asked === undefined) return
    const known = new Set(asked)
    for (const id of ids)
      if (!known.has(id)) this.#cursor.fail(`the id ${JSON.stringify(id)} was not asked for`)
  }
}

const none: Vectors = { dimension: 0, floats: new Float32Array(0), missing: [] }
