import { createHash } from 'node:crypto'

import { repositoryOf, type CipherFault } from './cipher.js'
import { DocumentDamagedError } from './errors.js'
import type { Repository } from './repository.js'
import { sealJson, unsealJson } from './sealed-json.js'

/** What a document is for; it belongs to the document as much as its key does. */
export type DocumentKind = 'manifest' | 'session' | 'hold' | 'lease' | 'trash' | 'erasure' | 'log' | 'status'

const CHECKSUM_BYTES = 32

/**
 * The bytes of a JSON document as they are stored under `key`: sealed, see {@link sealJson}; and encrypted, with a
 * checksum behind it that needs no key, where the repository is.
 */
export function encodeDocument(
  { cipher }: Repository,
  kind: DocumentKind,
  key: string,
  value: object,
): Buffer {
  const json = sealJson(value)
  if (cipher === null) return json
  const sealed = cipher.seal({ kind, name: cipher.documentName(kind, key) }, json)
  return Buffer.concat([sealed, checksum(sealed)])
}

/** What {@link encodeDocument} was given. Throws a {@link DocumentDamagedError}. */
export function decodeDocument(
  repository: Repository,
  kind: DocumentKind,
  key: string,
  bytes: Uint8Array,
): unknown {
  const json = repository.cipher === null ? bytes : decrypted(repository, kind, key, bytes)
  const unsealed = unsealJson(json)
  if (!('damage' in unsealed)) return unsealed.document
  const isEncrypted = repository.cipher === null && repositoryOf(bytes) !== null
  throw new DocumentDamagedError(
    key,
    isEncrypted ? 'is encrypted, although repo.json says that the repository is not' : unsealed.damage,
  )
}

/** What is wrong with the bytes of an encrypted document, as far as it can be told without a key; else null. */
export function checksumFault(bytes: Uint8Array): string | null {
  if (repositoryOf(bytes.subarray(0, -CHECKSUM_BYTES)) === null) {
    return isPlain(bytes)
      ? 'is not encrypted, as everything in this repository must be'
      : 'is cut off or altered'
  }
  const sealed = bytes.subarray(0, -CHECKSUM_BYTES)
  return checksum(sealed).equals(bytes.subarray(-CHECKSUM_BYTES)) ? null : 'does not match its own checksum'
}

function decrypted(
  { id, cipher }: Repository,
  kind: DocumentKind,
  key: string,
  bytes: Uint8Array,
): Uint8Array {
  if (cipher === null) return bytes
  const fault = checksumFault(bytes)
  if (fault !== null) throw new DocumentDamagedError(key, fault)
  const sealed = bytes.subarray(0, -CHECKSUM_BYTES)
  const opened = cipher.open({ kind, name: cipher.documentName(kind, key) }, sealed)
  if ('plaintext' in opened) return opened.plaintext
  const owner = repositoryOf(sealed)
  throw new DocumentDamagedError(
    key,
    opened.fault === 'foreign'
      ? `belongs to repository ${owner ?? ''}, and this is ${id}`
      : FAULTS[opened.fault],
  )
}

const FAULTS: Record<CipherFault, string> = {
  'cut off': 'is cut off or altered',
  'not encrypted': 'is not encrypted, as everything in this repository must be',
  foreign: 'belongs to another repository',
  renamed: 'was written under another name, and put here afterwards',
  forged: 'was not encrypted with the key of this repository, or for another purpose',
}

function isPlain(bytes: Uint8Array): boolean {
  return !('damage' in unsealJson(bytes))
}

function checksum(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
