import { open, rename } from 'node:fs/promises'
import path from 'node:path'

import { explained } from './own-folder.js'
import { syncFolder } from './sync-folder.js'

/** The file appears whole, and stays when power is lost. */
export async function writeDurably(file: string, text: string): Promise<void> {
  const temp = `${file}~`
  try {
    const handle = await open(temp, 'w', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temp, file)
    await syncFolder(path.dirname(file))
  } catch (error) {
    throw explained(error, `write ${file}`)
  }
}
