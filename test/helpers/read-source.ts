import { concatBatches } from '../../src/core/concat-batches.js'
import {
  displayName,
  type CollectionDefinition,
  type ReadConsistency,
  type RecordBatch,
  type RecordSource,
} from '../../src/core/records.js'

export interface SourceContents {
  readonly definition: CollectionDefinition
  readonly records: RecordBatch
  readonly expectedRecords: number
  readonly consistency: ReadConsistency
}

/** Everything in a source, by `tenant/database/name`. */
export async function contentsOf(source: RecordSource): Promise<ReadonlyMap<string, SourceContents>> {
  const contents = new Map<string, SourceContents>()
  for (const definition of await source.listCollections()) {
    const reader = await source.openCollection(definition)
    const batches: RecordBatch[] = []
    for await (const batch of reader.batches()) batches.push(batch)
    contents.set(displayName(definition), {
      definition: reader.definition,
      records: concatBatches(batches, definition.dimension ?? 0),
      expectedRecords: reader.expectedRecords,
      consistency: reader.consistency(),
    })
  }
  return contents
}
