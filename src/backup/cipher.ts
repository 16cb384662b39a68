import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  randomBytes,
  type CipherGCM,
  type DecipherGCM,
  type KeyObject,
} from 'node:crypto'

import { asError } from '../core/errors.js'
import { halfSipHasher } from './half-sip-hash.js'

const MAGIC = Buffer.from('COE1')
const ID_BYTES = 16
const SALT_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const NAME_AT = MAGIC.length + ID_BYTES
const SALT_AT = NAME_AT + ID_BYTES
const NONCE_AT = SALT_AT + SALT_BYTES
const HEADER_BYTES = NONCE_AT + NONCE_BYTES

/** What encryption adds to a blob: the header before it, the tag behind it. */
export const CIPHER_BYTES = HEADER_BYTES + TAG_BYTES

const PIECE_BYTES = 64 * 1024

/** Bytes of a master key, and of every key that is made from it. */
export const KEY_BYTES = 32

/** Whose bytes these are: what a blob is, and its name, are authenticated with it. */
export interface BlobIdentity {
  /** `object`, or the kind of a document. */
  readonly kind: string
  /** The content id of an object, the tag of the key of a document: 32 hexadecimal digits. */
  readonly name: string
}

/** Why encrypted bytes cannot be opened; completes a sentence that begins with their key. */
export type CipherFault = 'cut off' | 'not encrypted' | 'foreign' | 'renamed' | 'forged'

export type Opened = { readonly plaintext: Buffer } | { readonly fault: CipherFault }

/**
 * The cipher of one repository. AES-256-GCM with a key for each blob, derived by HKDF from the master key and a
 * random salt; see docs/format.md for the bytes. Holds keys, and shows none of them.
 */
export class RepositoryCipher {
  /** 32 bits, unsigned; decides where row groups end. */
  readonly boundaryHash: (id: string) => number
  readonly #repository: Buffer
  readonly #blobs: KeyObject
  readonly #ids: KeyObject

  /** `repository`: its id, 32 hexadecimal digits. */
  constructor(master: KeyObject, repository: string) {
    if (master.symmetricKeySize !== KEY_BYTES) throw new Error(`a master key has ${KEY_BYTES} bytes`)
    this.#repository = Buffer.from(repository, 'hex')
    const derive = (purpose: string) => derived(master, this.#repository, `chroma-ops ${purpose}`)
    this.#blobs = createSecretKey(derive('enc'))
    this.#ids = createSecretKey(derive('id'))
    this.boundaryHash = halfSipHasher(derive('boundaries'))
  }

  /** The content id of plaintext: 32 hexadecimal digits that say nothing to those without the key. */
  contentId(plaintextSha256: string): string {
    return this.#idOf(Buffer.from(plaintextSha256, 'hex'))
  }

  /** For {@link BlobIdentity}: stands for the key of a document. */
  documentName(kind: string, key: string): string {
    return this.#idOf(Buffer.from(`${kind}\0${key}`, 'utf8'))
  }

  seal(identity: BlobIdentity, plaintext: Uint8Array): Buffer {
    const header = this.#newHeader(identity)
    const cipher = createCipheriv('aes-256-gcm', this.#keyFor(header), header.subarray(NONCE_AT))
    cipher.setAAD(additionalData(identity, header))
    const sealed = Buffer.allocUnsafeSlow(plaintext.length + CIPHER_BYTES)
    header.copy(sealed)
    through(cipher, plaintext, sealed.subarray(HEADER_BYTES))
    cipher.final()
    cipher.getAuthTag().copy(sealed, sealed.length - TAG_BYTES)
    return sealed
  }

  /** Gives plaintext only when all of it is authentic. */
  open(identity: BlobIdentity, stored: Uint8Array): Opened {
    const fault = this.#faultOf(stored)
    if (fault !== null) return { fault }
    const header = stored.subarray(0, HEADER_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', this.#keyFor(header), header.subarray(NONCE_AT), {
      authTagLength: TAG_BYTES,
    })
    decipher.setAAD(additionalData(identity, header))
    decipher.setAuthTag(stored.subarray(-TAG_BYTES))
    const plaintext = Buffer.allocUnsafeSlow(stored.length - CIPHER_BYTES)
    through(decipher, stored.subarray(HEADER_BYTES, -TAG_BYTES), plaintext)
    try {
      decipher.final()
    } catch (error) {
      if (!isMismatch(error)) throw error
      return { fault: 'forged' }
    }
    return nameIn(header) === identity.name ? { plaintext } : { fault: 'renamed' }
  }

  #faultOf(stored: Uint8Array): CipherFault | null {
    const foreign = repositoryOf(stored)
    if (foreign === null) return stored.length < CIPHER_BYTES ? 'cut off' : 'not encrypted'
    return foreign === this.#repository.toString('hex') ? null : 'foreign'
  }

  #newHeader({ name }: BlobIdentity): Buffer {
    const salt = randomBytes(SALT_BYTES + NONCE_BYTES)
    return Buffer.concat([MAGIC, this.#repository, Buffer.from(name, 'hex'), salt], HEADER_BYTES)
  }

  #keyFor(header: Uint8Array): Buffer {
    return derived(this.#blobs, header.subarray(SALT_AT, NONCE_AT), 'chroma-ops blob')
  }

  #idOf(bytes: Buffer): string {
    return createHmac('sha256', this.#ids)
      .update(bytes)
      .digest('hex')
      .slice(0, ID_BYTES * 2)
  }
}

/** The id of the repository that encrypted bytes say they belong to; null when they are not encrypted, or cut off. */
export function repositoryOf(stored: Uint8Array): string | null {
  if (stored.length < CIPHER_BYTES || !MAGIC.equals(stored.subarray(0, MAGIC.length))) return null
  return hexOf(stored.subarray(MAGIC.length, NAME_AT))
}

/** Whether the tag did not match, and nothing else went wrong. */
export function isMismatch(error: unknown): boolean {
  return asError(error).message.includes('unable to authenticate data')
}

function nameIn(header: Uint8Array): string {
  return hexOf(header.subarray(NAME_AT, SALT_AT))
}

function additionalData({ kind }: BlobIdentity, header: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${kind}\0`, 'latin1'), header])
}

/** Piece by piece, within the processor's cache: that takes half the time, and less than to ask another thread. */
function through(cipher: CipherGCM | DecipherGCM, input: Uint8Array, output: Buffer): void {
  for (let at = 0; at < input.length; at += PIECE_BYTES)
    output.set(cipher.update(input.subarray(at, at + PIECE_BYTES)), at)
}

function derived(key: KeyObject, salt: Uint8Array, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, info, KEY_BYTES))
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}
