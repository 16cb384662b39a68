import { Readable } from 'node:stream'

import { asError, IntegrityError, OpsError, UsageError } from '../../core/errors.js'
import { ExitCode } from '../../core/exit-code.js'
import { StoreUnsupportedError } from '../../storage/blob-store.js'

const PACKAGE = 'age-encryption@^0.3.1'

/** The archive is encrypted for others. */
export class AgeIdentityError extends OpsError {
  override readonly code = 'AGE_IDENTITY'
  override readonly exitCode = ExitCode.notAllowed
}

/**
 * What a stream carries, encrypted for `recipients` as age does (https://age-encryption.org/v1): any of them can read
 * it, and whoever writes it cannot. Rejects with a UsageError for what is no recipient.
 */
export async function encryptFor(recipients: readonly string[], plain: Readable): Promise<Readable> {
  const { Encrypter } = await loadAge()
  const encrypter = new Encrypter()
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient)
    } catch (error) {
      throw new UsageError(`not an age recipient: ${recipient}`, {
        hint: 'a recipient is what "age-keygen -y key.txt" prints: age1…',
        cause: error,
      })
    }
  }
  return nodeStream(await encrypter.encrypt(webStream(plain)))
}

/**
 * What an age file holds. Rejects with an {@link AgeIdentityError} (14) when none of the identities fits; the stream fails with an
 * IntegrityError (13) where the file is damaged or cut off.
 */
export async function decryptWith(identities: readonly string[], encrypted: Readable): Promise<Readable> {
  const { Decrypter } = await loadAge()
  const decrypter = new Decrypter()
  for (const identity of identities) {
    try {
      decrypter.addIdentity(identity)
    } catch (error) {
      // Without the text: it may be a secret with a typing error.
      throw new UsageError('the file with age identities holds something else', {
        hint: 'a line of it is AGE-SECRET-KEY-1…, as age-keygen writes it',
        cause: error,
      })
    }
  }
  try {
    const decrypted = nodeStream(await decrypter.decrypt(webStream(encrypted)))
    return Readable.from(explained(decrypted), { objectMode: false })
  } catch (error) {
    if (/no identity matched/i.test(asError(error).message))
      throw new AgeIdentityError('none of the age identities opens the archive', {
        hint: 'give the file with the right one: --age-identity-file',
        cause: error,
      })
    throw damaged(error)
  }
}

/** The recipients, or the identities, in a file: one on each line; empty lines and comments (#) are left out. */
export function ageLines(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

async function* explained(stream: Readable): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of stream) yield bytesOf(piece)
  } catch (error) {
    throw damaged(error)
  }
}

function damaged(error: unknown): IntegrityError {
  return new IntegrityError(`the archive is damaged or cut off: ${asError(error).message}`, {
    hint: 'take another copy of it',
    cause: error,
  })
}

async function loadAge() {
  try {
    return await import('age-encryption')
  } catch (error) {
    throw new StoreUnsupportedError('archives for age recipients need the package age-encryption', {
      hint: `npm install ${PACKAGE}`,
      cause: error,
    })
  }
}

/** Web streams as the package takes and gives them; those of Node have types of their own. */
function webStream(stream: Readable): ReadableStream<Uint8Array> {
  const pieces = stream[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await pieces.next()
      if (next.done === true) controller.close()
      else controller.enqueue(bytesOf(next.value))
    },
    async cancel() {
      await pieces.return?.()
    },
  })
}

function nodeStream(stream: ReadableStream<Uint8Array>): Readable {
  return Readable.from(piecesOf(stream), { objectMode: false })
}

async function* piecesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  let ended = false
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) {
        ended = true
        return
      }
      yield value
    }
  } finally {
    if (!ended) await reader.cancel()
  }
}

function bytesOf(piece: unknown): Uint8Array {
  if (ArrayBuffer.isView(piece)) return new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)
  throw new TypeError('a stream of bytes gave something else')
}
