import { withVectors } from '../core/batch-rows.js'
import type { CollectionDefinition, CollectionReader, RecordBatch, RecordSource } from '../core/records.js'

/** A collection as a server can hold it: without the records whose vector is lost. */
export class SourceRecords {
  readonly definition: CollectionDefinition
  readonly expectedRecords: number
  /** Known when {@link batches} has ended. */
  withoutVector = 0
  readonly #reader: CollectionReader

  private constructor(reader: CollectionReader) {
    this.#reader = reader
    this.definition = reader.definition
    this.expectedRecords = reader.expectedRecords
  }

  static async open(
    source: RecordSource,
    definition: CollectionDefinition,
    signal: AbortSignal | undefined,
  ): Promise<SourceRecords> {
    return new SourceRecords(await source.openCollection(definition, signal))
  }

  async *batches(signal?: AbortSignal): AsyncGenerator<RecordBatch, void, undefined> {
    this.withoutVector = 0
    for await (const batch of this.#reader.batches(signal)) {
      this.withoutVector += batch.missingEmbeddings.length
      const whole = withVectors(batch)
      if (whole.ids.length > 0) yield whole
    }
  }

  consistency() {
    return this.#reader.consistency()
  }
}
