import { open, readdir } from 'node:fs/promises'
import path from 'node:path'

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

/** Makes every file and folder below a folder durable. Resolves to the bytes of the files. */
export async function syncTree(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name)
    if (entry.isDirectory()) {
      bytes += await syncTree(file)
    } else if (entry.isFile()) {
      const handle = await open(file, 'r')
      try {
        await handle.sync()
        bytes += (await handle.stat()).size
      } finally {
        await handle.close()
      }
    }
  }
  await syncFolder(folder)
  return bytes
}
