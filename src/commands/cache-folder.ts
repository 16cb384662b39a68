import { mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'

import type { CommandContext } from './context.js'

/** Where what can be made again is kept; where nothing can be kept, it lasts as long as the run. */
export async function cacheFolder(context: CommandContext, tempDir: string): Promise<string> {
  const cache = await context.directories.cache()
  if (cache !== null) return cache
  const folder = await mkdtemp(path.join(tempDir, 'chroma-ops-cache-'))
  context.onClose(() => rm(folder, { recursive: true, force: true }))
  return folder
}
