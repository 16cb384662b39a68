import type { RecordUpdate } from '../../chroma/update-records.js'
import { sameMetadata } from './metadata-view.js'
import { sameVector, type Row } from './record-rows.js'

/** The update that makes `after` of `before`; null when Chroma has none: it cannot take a document or URI away. */
export function updateBetween(before: Row, after: Row): RecordUpdate | null {
  if (before.document !== null && after.document === null) return null
  if (before.uri !== null && after.uri === null) return null
  return {
    id: before.id,
    embedding: sameVector(before.embedding, after.embedding) ? null : after.embedding,
    document: before.document === after.document ? null : after.document,
    uri: before.uri === after.uri ? null : after.uri,
    metadata: sameMetadata(before.metadata, after.metadata) ? null : after.metadata,
    removedKeys: [...(before.metadata?.keys() ?? [])].filter((key) => after.metadata?.has(key) !== true),
  }
}
