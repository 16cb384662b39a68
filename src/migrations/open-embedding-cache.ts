import path from 'node:path'

import type { Warning } from '../core/progress.js'
import type { EmbeddingCache } from './embedding-cache.js'
import { DiskEmbeddingCache } from './operations/embedding-cache-disk.js'

/**
 * The cache in a folder of the cache directory, which several processes may use at once. Nothing is made before
 * the first vector is kept. What cannot be read or kept is a warning, never an error.
 */
export async function openEmbeddingCache(
  cacheDir: string,
  onWarning?: (warning: Warning) => void,
): Promise<EmbeddingCache> {
  const directory = path.join(cacheDir, 'embeddings')
  return new DiskEmbeddingCache({ directory, ...(onWarning !== undefined && { onWarning }) })
}
