import { DocumentDamagedError } from './errors.js'
import type { Repository } from './repository.js'
import { sealJson, unsealJson } from './sealed-json.js'

/** What a document is for; it belongs to the document as much as its key does. */
export type DocumentKind = 'manifest' | 'session' | 'hold' | 'lease' | 'trash' | 'erasure' | 'log' | 'status'

/** The bytes of a JSON document as they are stored under `key`: sealed, see {@link sealJson}. */
export function encodeDocument(
  _repository: Repository,
  _kind: DocumentKind,
  _key: string,
  value: object,
): Buffer {
  return sealJson(value)
}

/** What {@link encodeDocument} was given. Throws a {@link DocumentDamagedError}. */
export function decodeDocument(
  _repository: Repository,
  _kind: DocumentKind,
  key: string,
  bytes: Uint8Array,
): unknown {
  const unsealed = unsealJson(bytes)
  if ('damage' in unsealed) throw new DocumentDamagedError(key, unsealed.damage)
  return unsealed.document
}
