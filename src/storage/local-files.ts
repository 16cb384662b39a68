import { randomUUID } from 'node:crypto'
import { mkdir, open, rm, rmdir, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { errnoOf, isErrno, throwIfAborted } from '../core/errors.js'
import { StoreError, StoreUnsupportedError } from './blob-store.js'

/** No key contains it, so what a dead run leaves behind is never taken for a blob. */
export const PRIVATE_MARK = '~'

/**
 * Writes a durable file beside `target` and returns its path. The folders above `target` are made where they
 * are missing. Nothing is left behind on failure.
 */
export async function writeBeside(target: string, bytes: Uint8Array, signal?: AbortSignal): Promise<string> {
  throwIfAborted(signal)
  const temp = `${target}${PRIVATE_MARK}${randomUUID()}`
  const handle = await createFile(temp)
  try {
    try {
      await writeAll(handle, bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    throwIfAborted(signal)
  } catch (error) {
    await rm(temp, { force: true })
    throw error
  }
  return temp
}

/** Creates a file that must not exist yet, together with the folders above it. */
export async function createFile(file: string): Promise<FileHandle> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await open(file, 'wx')
    } catch (error) {
      // Another run may remove a folder that it believes to be its own, after we have found or made it.
      if (!isErrno(error, 'ENOENT') || attempt === 4) throw error
    }
    await makeFolders(path.dirname(file))
  }
}

/** Makes the names in a folder durable: without it a power cut may undo a rename. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Some network and user-space file systems have no such call.
    if (!isErrno(error, 'EINVAL', 'ENOTSUP', 'ENOSYS')) throw error
  } finally {
    await handle.close()
  }
}

/** Another probe may be at work in it; a folder that stays is no harm. */
export async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
  }
}

/** At most `length` bytes from `offset`; in `memory` if it is large enough. */
export async function readRange(
  handle: FileHandle,
  offset: number,
  length: number,
  memory?: Buffer,
): Promise<Uint8Array> {
  const isEnough = memory !== undefined && memory.length >= length
  const bytes = isEnough ? memory.subarray(0, length) : Buffer.allocUnsafeSlow(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let written = 0
  while (written < bytes.length)
    written += (await handle.write(bytes, written, bytes.length - written)).bytesWritten
  const { size } = await handle.stat()
  if (size !== bytes.length)
    throw new StoreError(`the disk took ${size} of ${bytes.length} bytes without saying so`)
}

/**
 * Each new folder is made durable in the one above it. One by one: `mkdir` with `recursive` reports a
 * read-only disk as a missing folder.
 */
async function makeFolders(folder: string): Promise<void> {
  try {
    await makeFolder(folder)
  } catch (error) {
    const above = path.dirname(folder)
    if (!isErrno(error, 'ENOENT') || above === folder) throw error
    await makeFolders(above)
    await makeFolderIn(above, folder)
  }
}

async function makeFolderIn(above: string, folder: string): Promise<void> {
  try {
    await makeFolder(folder)
  } catch (error) {
    // What is there and yet has no room for a new name is no ordinary folder, such as /proc.
    if (!isErrno(error, 'ENOENT')) throw error
    throw new StoreUnsupportedError(`${above} takes no new folders, so ${folder} cannot be made`, {
      hint: 'name a folder on a disk or a network share',
      cause: error,
    })
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return
    throw error
  }
  await syncFolder(path.dirname(folder))
}
