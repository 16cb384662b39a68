import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'

import { isErrno, UsageError } from '../../core/errors.js'
import { BlobNotFoundError, type BlobStore } from '../../storage/blob-store.js'
import { localError } from '../../storage/local-errors.js'
import { TarStore } from '../../storage/tar-store.js'
import { AgeIdentityError, decryptWith } from './age.js'
import { checkArchiveName, onlyBackup } from './archive-rules.js'
import { checkSums } from './check-sums.js'
import { spoolArchive } from './spool-archive.js'

export interface OpenArchiveJob {
  /** A file, or a stream, for example stdin. */
  readonly from: string | AsyncIterable<unknown>
  /** Age identities (`AGE-SECRET-KEY-1…`), for archives that are encrypted for recipients. */
  readonly identities: readonly string[]
  /** Takes what is in it where it cannot be read from the file itself: from a stream, and encrypted archives. */
  readonly tempDir: () => Promise<string>
  readonly signal?: AbortSignal | undefined
}

/** Where to read the repository that an archive is, and which backup is in it. Close the store after use. */
export interface OpenedArchive {
  readonly store: BlobStore
  readonly backup: string
}

const AGE = Buffer.from('age-encryption.org/')

/**
 * Opens an archive of one backup. A file is read where it is; what comes as a stream, or is encrypted for age
 * recipients, goes through a temporary folder. Rejects with an IntegrityError (13) when it is cut off, damaged or
 * holds anything else, with an {@link AgeIdentityError} (14), or a BlobNotFoundError (10).
 */
export async function openArchive(job: OpenArchiveJob): Promise<OpenedArchive> {
  const { from, signal } = job
  const where = typeof from === 'string' ? from : 'the archive'
  const store = await storeOf(job, where)
  try {
    const names: string[] = []
    for await (const { key, size } of store.list('', signal)) {
      checkArchiveName(key, size, where)
      names.push(key)
    }
    const backup = onlyBackup(names, where)
    await checkSums(store, names, where, signal)
    return { store, backup }
  } catch (error) {
    await store.close()
    throw error
  }
}

async function storeOf(job: OpenArchiveJob, where: string): Promise<BlobStore> {
  const { from, identities, signal } = job
  const spool = async (stream: Readable) =>
    spoolArchive({ stream, where, tempDir: await job.tempDir(), signal })
  if (typeof from === 'string') {
    if (!(await beginsWithAge(from))) return TarStore.open(from, signal)
    refuseWithoutIdentity(where, identities)
    return spool(await decryptWith(identities, createReadStream(from)))
  }
  const { isAge, stream } = await peek(from)
  if (!isAge) return spool(stream)
  refuseWithoutIdentity(where, identities)
  return spool(await decryptWith(identities, stream))
}

function refuseWithoutIdentity(where: string, identities: readonly string[]): void {
  if (identities.length > 0) return
  throw new AgeIdentityError(`${where} is encrypted for age recipients, and no identity was given`, {
    hint: 'give the file with the identity: --age-identity-file',
  })
}

async function beginsWithAge(file: string): Promise<boolean> {
  try {
    const handle = await open(file)
    try {
      if (!(await handle.stat()).isFile()) throw new UsageError(`${file} is not a file`)
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(AGE.length), 0, AGE.length, 0)
      return bytesRead === AGE.length && buffer.equals(AGE)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw new BlobNotFoundError(`there is no archive ${file}`)
    throw localError(error, `read ${file}`)
  }
}

/** What a stream begins with; the stream that is given back has it too. */
async function peek(stream: AsyncIterable<unknown>): Promise<{ isAge: boolean; stream: Readable }> {
  const iterator = stream[Symbol.asyncIterator]()
  const next = async (): Promise<Buffer | null> => {
    const result = await iterator.next()
    return result.done === true ? null : bytesOf(result.value)
  }
  let first = Buffer.alloc(0)
  while (first.length < AGE.length) {
    const piece = await next()
    if (piece === null) break
    first = Buffer.concat([first, piece])
  }
  const all = async function* () {
    yield first
    for (let piece = await next(); piece !== null; piece = await next()) yield piece
  }
  const isAge = first.subarray(0, AGE.length).equals(AGE)
  return { isAge, stream: Readable.from(all(), { objectMode: false }) }
}

function bytesOf(piece: unknown): Buffer {
  if (ArrayBuffer.isView(piece)) return Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
  throw new TypeError('a stream of bytes gave something else')
}
