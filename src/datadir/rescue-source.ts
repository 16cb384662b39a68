import type {
  CollectionDefinition,
  CollectionName,
  CollectionReader,
  ReadConsistency,
  RecordBatch,
  RecordSource,
} from '../core/records.js'

/**
 * - `whole`: as it was.
 * - `text`: id, document and metadata; the vector is lost.
 * - `part`: some of its document and metadata is lost, or may be other than it was; or its vector may be older.
 * - `vector`: id and vector; document and metadata are lost, or may be.
 * - `id`: nothing else is known of it.
 */
export type RescuedState = 'whole' | 'text' | 'part' | 'vector' | 'id'

/** What could be had of a collection. */
export interface RescuedCollection extends CollectionName {
  readonly id: string
  readonly records: number
  readonly whole: number
  /** Records with their text, without a vector. */
  readonly withoutVector: number
  /** Records of which something is lost or doubtful: some of the text, or the age of the vector. */
  readonly inPart: number
  /** Records with a vector, of which the text is lost. */
  readonly withoutText: number
  /** Records of which only the id is known. */
  readonly idOnly: number
  /** Vectors in the files whose ids are lost; they are not in the backup. */
  readonly vectorsWithoutId: number
  /** What is wrong with its files, one sentence each. */
  readonly notes: readonly string[]
}

/** What is known of the damage of a collection before its records are read. */
export interface CollectionDamage {
  /** Ids that only the index knows. */
  readonly vectorOnly: ReadonlySet<string>
  readonly vectorsWithoutId: number
  readonly notes: readonly string[]
  /** Ids of records of which some document or metadata is lost, or cannot be trusted. */
  readonly doubtfulTexts: ReadonlySet<string>
  /** Ids of records of which the vector may be older than the record. */
  readonly staleVectors: ReadonlySet<string>
  /** Rows of some collection were lost; it may be this one. */
  readonly rowsLost: string | null
}

export interface RescueSourceParts {
  /** Reads what was made readable. */
  readonly inner: RecordSource
  /** The directory that is rescued, not the copy that is read. */
  readonly displayUrl: string
  readonly damage: (definition: CollectionDefinition) => CollectionDamage
  /** Hears of every record. */
  readonly onRecord: (collection: CollectionName, id: string, state: RescuedState) => void
}

/** Reads a damaged data directory, and keeps account of what each record lacks. */
export class RescueSource implements RecordSource {
  readonly displayUrl: string
  readonly #parts: RescueSourceParts
  readonly #rescued = new Map<string, RescuedCollection>()

  constructor(parts: RescueSourceParts) {
    this.#parts = parts
    this.displayUrl = parts.displayUrl
  }

  /** The collections that have been read to their end, in that order. */
  get rescued(): readonly RescuedCollection[] {
    return [...this.#rescued.values()]
  }

  listCollections(signal?: AbortSignal): Promise<readonly CollectionDefinition[]> {
    return this.#parts.inner.listCollections(signal)
  }

  async openCollection(definition: CollectionDefinition, signal?: AbortSignal): Promise<CollectionReader> {
    const reader = await this.#parts.inner.openCollection(definition, signal)
    const { damage, onRecord } = this.#parts
    const ended = (rescued: RescuedCollection) => void this.#rescued.set(definition.id, rescued)
    return new RescueReader(reader, damage(definition), onRecord, ended)
  }

  async close(): Promise<void> {
    await this.#parts.inner.close()
  }
}

class RescueReader implements CollectionReader {
  readonly definition: CollectionDefinition
  readonly #reader: CollectionReader
  readonly #damage: CollectionDamage
  readonly #onRecord: RescueSourceParts['onRecord']
  readonly #onEnd: (rescued: RescuedCollection) => void
  #rescued: RescuedCollection | null = null

  constructor(
    reader: CollectionReader,
    damage: CollectionDamage,
    onRecord: RescueSourceParts['onRecord'],
    onEnd: (rescued: RescuedCollection) => void,
  ) {
    this.definition = reader.definition
    this.#reader = reader
    this.#damage = damage
    this.#onRecord = onRecord
    this.#onEnd = onEnd
  }

  get expectedRecords(): number {
    return this.#reader.expectedRecords
  }

  async *batches(signal?: AbortSignal): AsyncGenerator<RecordBatch> {
    const counts = { whole: 0, text: 0, part: 0, vector: 0, id: 0 }
    for await (const read of this.#reader.batches(signal)) {
      const batch = withoutBrokenVectors(read)
      const missing = new Set(batch.missingEmbeddings)
      for (const [row, id] of batch.ids.entries()) {
        const state = this.#stateOf(batch, row, missing.has(row))
        counts[state]++
        this.#onRecord(this.definition, id, state)
      }
      yield batch
    }
    const { tenant, database, name, id } = this.definition
    const { notes, vectorsWithoutId, rowsLost } = this.#damage
    this.#rescued = {
      tenant,
      database,
      name,
      id,
      records: counts.whole + counts.text + counts.part + counts.vector + counts.id,
      whole: counts.whole,
      withoutVector: counts.text,
      inPart: counts.part,
      withoutText: counts.vector,
      idOnly: counts.id,
      vectorsWithoutId,
      notes: rowsLost === null ? notes : [...notes, rowsLost],
    }
    this.#onEnd(this.#rescued)
  }

  consistency(): ReadConsistency {
    return this.#reader.consistency()
  }

  damage(): { readonly code: string; readonly message: string } | null {
    const rescued = this.#rescued
    if (rescued === null) throw new Error('the collection has not been read to its end')
    const { records, whole, withoutVector, inPart, withoutText, idOnly, vectorsWithoutId, notes } = rescued
    if (whole === records && vectorsWithoutId === 0 && notes.length === 0) return null
    const parts = [
      `${whole} of ${records} records are whole`,
      ...(withoutVector > 0 ? [`${withoutVector} have no vector`] : []),
      ...(inPart > 0 ? [`${inPart} are in part, or not surely what they were`] : []),
      ...(withoutText > 0 ? [`${withoutText} have a vector but no text`] : []),
      ...(idOnly > 0 ? [`of ${idOnly} only the id is known`] : []),
      ...(vectorsWithoutId > 0 ? [`${vectorsWithoutId} vectors have lost their ids`] : []),
      ...notes,
    ]
    return { code: 'RESCUED', message: parts.join('; ') }
  }

  #stateOf(batch: RecordBatch, row: number, vectorMissing: boolean): RescuedState {
    const { vectorOnly, doubtfulTexts, staleVectors } = this.#damage
    const id = batch.ids[row] ?? ''
    const bare = batch.documents[row] === null && batch.uris[row] === null && batch.metadatas[row] === null
    const doubtful = doubtfulTexts.has(id)
    if ((doubtful && !bare) || (staleVectors.has(id) && !vectorMissing)) return 'part'
    if (vectorOnly.has(id) || doubtful) return vectorMissing ? 'id' : 'vector'
    return vectorMissing ? 'text' : 'whole'
  }
}

/** Vectors with NaN or infinity count as lost: no server takes them back. */
function withoutBrokenVectors(batch: RecordBatch): RecordBatch {
  const { ids, dimension, embeddings } = batch
  const broken: number[] = []
  for (let row = 0; row < ids.length; row++)
    for (let at = row * dimension; at < (row + 1) * dimension; at++)
      if (!Number.isFinite(embeddings[at])) {
        broken.push(row)
        break
      }
  if (broken.length === 0) return batch
  const kept = embeddings.slice()
  for (const row of broken) kept.fill(0, row * dimension, (row + 1) * dimension)
  const missing = [...new Set([...batch.missingEmbeddings, ...broken])].sort((a, b) => a - b)
  return { ...batch, embeddings: kept, missingEmbeddings: missing }
}
