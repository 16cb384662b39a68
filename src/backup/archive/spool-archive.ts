import { mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { AbortedError, asError, IntegrityError, OpsError, throwIfAborted } from '../../core/errors.js'
import { BlobExistsError, type BlobStore } from '../../storage/blob-store.js'
import { localError } from '../../storage/local-errors.js'
import { LocalStore } from '../../storage/local-store.js'
import { checkArchiveName } from './archive-rules.js'

export interface SpoolJob {
  /** A tar archive. */
  readonly stream: Readable
  /** What it is called, for messages. */
  readonly where: string
  /** Takes what is in it, until the store is closed. */
  readonly tempDir: string
  readonly signal?: AbortSignal | undefined
}

/**
 * An archive that comes as a stream, in a temporary folder of its own; closing the store removes it. A file that has
 * no place in an archive ends it at once. Rejects with an {@link IntegrityError} (13) when the archive is damaged or
 * cut off, or with a StoreError when the disk is full.
 */
export async function spoolArchive({ stream, where, tempDir, signal }: SpoolJob): Promise<BlobStore> {
  throwIfAborted(signal)
  const folder = await makeFolder(tempDir)
  const store = new SpooledStore(folder)
  try {
    await unpack(store, stream, where, signal)
    return store
  } catch (error) {
    stream.destroy()
    await store.close()
    throw error
  }
}

async function unpack(
  store: BlobStore,
  stream: Readable,
  where: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { extract } = await import('tar-stream')
  const tar = extract()
  const fed = pipeline(stream, tar, { signal })
  fed.catch(() => undefined)
  try {
    for await (const entry of tar) {
      const { name, type, size } = entry.header
      const key = name.replace(/^(\.\/)+/, '')
      if (type === 'directory') {
        entry.resume()
        continue
      }
      if (type !== 'file')
        throw new IntegrityError(`${where} holds ${JSON.stringify(name)}, which is no file`)
      checkArchiveName(key, size, where)
      await keep(store, key, await bytesOf(entry, size), where)
    }
    await fed
  } catch (error) {
    tar.destroy()
    await Promise.allSettled([fed])
    if (signal?.aborted === true) throw new AbortedError(signal.reason)
    throw error instanceof OpsError ? error : damaged(where, error)
  }
}

/** The manifest is there twice, with the same bytes; nothing else may be there again. */
async function keep(store: BlobStore, key: string, bytes: Buffer, where: string): Promise<void> {
  try {
    await store.putNew(key, bytes)
  } catch (error) {
    if (!(error instanceof BlobExistsError)) throw error
    if (bytes.equals((await store.get(key)).bytes)) return
    throw new IntegrityError(`${where} holds ${key} twice, with different bytes`)
  }
}

async function bytesOf(entry: AsyncIterable<unknown>, size: number): Promise<Buffer> {
  const bytes = Buffer.alloc(size)
  let at = 0
  for await (const piece of entry) {
    if (!ArrayBuffer.isView(piece)) continue
    const part = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
    at += part.copy(bytes, at)
  }
  return bytes.subarray(0, at)
}

class SpooledStore extends LocalStore {
  readonly #folder: string

  constructor(folder: string) {
    super(folder)
    this.#folder = folder
  }

  override async close(): Promise<void> {
    await super.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

async function makeFolder(tempDir: string): Promise<string> {
  try {
    return await mkdtemp(path.join(tempDir, 'chroma-ops-archive-'))
  } catch (error) {
    throw localError(error, `write to ${tempDir}`)
  }
}

function damaged(where: string, error: unknown): IntegrityError {
  return new IntegrityError(`${where} is not a tar archive, or is damaged: ${asError(error).message}`, {
    hint: 'make the archive again, or take another copy of it',
    cause: error,
  })
}
