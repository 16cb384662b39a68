import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { link, open, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { errnoOf, isErrno, throwIfAborted } from '../core/errors.js'
import {
  BlobChangedError,
  BlobExistsError,
  type BlobInfo,
  type BlobStore,
  type BlobVersion,
  type GetOptions,
  type StoreCapabilities,
  type StoredBlob,
} from './blob-store.js'
import { assertBlobSize, assertKey, assertPrefix, blobNotFound } from './keys.js'
import { localError } from './local-errors.js'
import { createFile, readRange, removeIfEmpty, syncFolder, writeBeside } from './local-files.js'
import { listFiles } from './local-list.js'
import { withFileLock } from './local-lock.js'
import { isProbe, probeConditions } from './probe-conditions.js'

/** Blobs as files below one folder, which is made when the first one is written. */
export class LocalStore implements BlobStore {
  readonly displayUrl: string
  readonly #root: string
  #hasLinks = true

  /** `root`: a path; relative ones start at the working directory. */
  constructor(root: string) {
    this.#root = path.resolve(root)
    this.displayUrl = this.#root
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#writeFile(key, bytes, signal, async (temp, target) => rename(temp, target))
  }

  async putNew(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<BlobVersion> {
    return this.#writeVersion(key, bytes, signal, async (temp, target) => {
      try {
        await this.#create(temp, target)
      } catch (error) {
        if (isErrno(error, 'EEXIST')) throw new BlobExistsError(`${key} already exists in ${this.displayUrl}`)
        throw error
      }
    })
  }

  async putIfMatch(key: string, bytes: Uint8Array, version: BlobVersion, signal?: AbortSignal) {
    return this.#writeVersion(key, bytes, signal, (temp, target) =>
      withFileLock(target, signal, async (stillMine) => {
        if ((await versionOnDisk(target)) !== version)
          throw new BlobChangedError(`${key} in ${this.displayUrl} was changed by another run`)
        await stillMine()
        await rename(temp, target)
      }),
    )
  }

  async get(key: string, { range, memory, signal }: GetOptions = {}): Promise<StoredBlob> {
    return this.#onFile<StoredBlob>(`read ${key}`, key, signal, async (target) => {
      const handle = await openFile(target)
      try {
        const found = await handle.stat()
        if (!found.isFile()) throw blobNotFound(this.displayUrl, key)
        if (range !== undefined) {
          const length = Math.max(0, Math.min(range.length, found.size - range.offset))
          assertBlobSize(key, length)
          return { bytes: await readRange(handle, range.offset, length), version: '' }
        }
        assertBlobSize(key, found.size)
        return wholeBlob(await readRange(handle, 0, found.size, memory))
      } finally {
        await handle.close()
      }
    })
  }

  async stat(key: string, signal?: AbortSignal): Promise<BlobInfo> {
    return this.#onFile(`look up ${key}`, key, signal, async (target) => {
      const found = await stat(target)
      if (!found.isFile()) throw blobNotFound(this.displayUrl, key)
      return { key, size: found.size, modified: found.mtime }
    })
  }

  async *list(prefix: string, signal?: AbortSignal, after = ''): AsyncGenerator<BlobInfo> {
    assertPrefix(prefix)
    throwIfAborted(signal)
    try {
      yield* listFiles({ root: this.#root, prefix, after, signal })
    } catch (error) {
      throw localError(error, `list ${this.displayUrl}`)
    }
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    assertKey(key)
    throwIfAborted(signal)
    const target = path.join(this.#root, key)
    try {
      // Under the lock, so that a blob is never deleted between the check and the rename of putIfMatch.
      if (await isThere(target)) {
        const remove = () => rm(target, { force: true })
        try {
          await withFileLock(target, signal, remove)
        } catch (error) {
          // No room for the lock: then nobody can write, and removing is what makes room.
          if (!isErrno(error, 'ENOSPC', 'EDQUOT')) throw error
          await remove()
        }
        await syncFolder(path.dirname(target))
      }
      if (isProbe(key)) await removeIfEmpty(path.dirname(target))
    } catch (error) {
      throw localError(error, `delete ${target}`)
    }
  }

  async capabilities(signal?: AbortSignal): Promise<StoreCapabilities> {
    const found = await probeConditions(this, signal)
    return !this.#hasLinks && found.putNew === 'atomic' ? { ...found, putNew: 'weak' } : found
  }

  async storeTime(signal?: AbortSignal): Promise<Date> {
    throwIfAborted(signal)
    return new Date()
  }

  async close(): Promise<void> {}

  /** The version costs a hash; it is made while the disk writes. */
  async #writeVersion(
    key: string,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
    commit: Commit,
  ): Promise<BlobVersion> {
    const writing = this.#writeFile(key, bytes, signal, commit)
    const version = versionOf(bytes)
    await writing
    return version
  }

  /** Durable first, then visible under its name by `commit`, then the name durable. */
  async #writeFile(
    key: string,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
    commit: Commit,
  ): Promise<void> {
    assertKey(key)
    assertBlobSize(key, bytes.length)
    const target = path.join(this.#root, key)
    try {
      const temp = await writeBeside(target, bytes, signal)
      try {
        await commit(temp, target)
      } finally {
        await rm(temp, { force: true })
      }
      await syncFolder(path.dirname(target))
    } catch (error) {
      throw localError(error, `write ${target}`)
    }
  }

  /** Rejects with EEXIST if `target` is there. */
  async #create(temp: string, target: string): Promise<void> {
    try {
      await link(temp, target)
    } catch (error) {
      if (!isErrno(error, ...NO_LINKS)) throw error
      // Without hard links: reserve the name, then replace it. A crash in between leaves an empty blob.
      this.#hasLinks = false
      await (await createFile(target)).close()
      await rename(temp, target)
    }
  }

  /** Turns "no such file" into {@link BlobNotFoundError} and everything else into a StoreError. */
  async #onFile<T>(
    action: string,
    key: string,
    signal: AbortSignal | undefined,
    work: (target: string) => Promise<T>,
  ): Promise<T> {
    assertKey(key)
    throwIfAborted(signal)
    try {
      return await work(path.join(this.#root, key))
    } catch (error) {
      if (NOT_THERE.includes(errnoOf(error) ?? '')) throw blobNotFound(this.displayUrl, key, error)
      throw localError(error, `${action} in ${this.displayUrl}`)
    }
  }
}

type Commit = (temp: string, target: string) => Promise<void>

/** FAT, some FUSE and network file systems. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']
/** A loop of symbolic links (ELOOP) is not among them: that is damage, not absence. */
const NOT_THERE = ['ENOENT', 'ENOTDIR', 'EISDIR']

/** Its version costs a hash, which most readers don't need. */
function wholeBlob(bytes: Uint8Array): StoredBlob {
  return {
    bytes,
    get version() {
      return versionOf(bytes)
    },
  }
}

function versionOf(bytes: Uint8Array): BlobVersion {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Null when the file is not there. */
async function versionOnDisk(target: string): Promise<BlobVersion | null> {
  if (!(await isThere(target))) return null
  const handle = await openFile(target)
  try {
    const { size } = await handle.stat()
    assertBlobSize(target, size)
    return versionOf(await readRange(handle, 0, size))
  } finally {
    await handle.close()
  }
}

/** Without waiting for a writer, should it be a pipe. */
async function openFile(target: string): Promise<FileHandle> {
  return open(target, constants.O_RDONLY | constants.O_NONBLOCK)
}

async function isThere(target: string): Promise<boolean> {
  try {
    return (await stat(target)).isFile()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}
