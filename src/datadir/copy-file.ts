import { constants } from 'node:fs'
import { copyFile, open, rm } from 'node:fs/promises'

import { isErrno, throwIfAborted } from '../core/errors.js'

const PIECE = 1024 * 1024
const ZEROS = Buffer.alloc(PIECE)

/**
 * Copies a file to a name that is free: by sharing blocks where the file system can, else piece by piece,
 * leaving out runs of zeros, so that sparse files stay sparse. On failure the copy is removed.
 */
export async function copySparse(source: string, target: string, signal?: AbortSignal): Promise<void> {
  try {
    try {
      await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL)
      return
    } catch (error) {
      if (isErrno(error, 'EEXIST', 'ENOENT', 'EACCES')) throw error
    }
    await copyPieces(source, target, signal)
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) await rm(target, { force: true })
    throw error
  }
}

async function copyPieces(source: string, target: string, signal: AbortSignal | undefined): Promise<void> {
  await rm(target, { force: true })
  const from = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const to = await open(target, 'wx', 0o600)
    try {
      const buffer = Buffer.allocUnsafe(PIECE)
      let at = 0
      for (;;) {
        throwIfAborted(signal)
        const { bytesRead } = await from.read(buffer, 0, PIECE, at)
        if (bytesRead === 0) break
        const piece = buffer.subarray(0, bytesRead)
        if (!isZero(piece)) await to.write(piece, 0, bytesRead, at)
        at += bytesRead
      }
      await to.truncate(at)
    } finally {
      await to.close()
    }
  } finally {
    await from.close()
  }
}

/** Whether all bytes are zero. */
export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += PIECE) {
    const piece = bytes.subarray(at, at + PIECE)
    if (ZEROS.compare(piece, 0, piece.length, 0, piece.length) !== 0) return false
  }
  return true
}
