import { open } from 'node:fs/promises'

import { isErrno } from '../core/errors.js'

/** Makes the names in a folder durable, where the file system knows how. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    if (!isErrno(error, 'EINVAL', 'ENOTSUP', 'EISDIR')) throw error
  } finally {
    await handle.close()
  }
}
