import { fileSystemOf } from '../datadir/file-system.js'
import { NoSpaceError } from './errors.js'

/** Rejects with {@link NoSpaceError} unless so many bytes are free where `folder` is. */
export async function requireSpace(folder: string, needed: number, what: string): Promise<void> {
  const { freeBytes } = await fileSystemOf(folder)
  if (freeBytes >= needed) return
  throw new NoSpaceError(`${what} needs ${needed} bytes in ${folder}, where ${freeBytes} are free`, {
    hint: 'free space there, or write through another file system with --via DIR',
  })
}
