import { collectionOf, numberedBatch, sourceOf } from './backups.js'
import type { MemorySource } from './memory-source.js'

/** About 30 MB in one large collection and many small ones. */
export function sizeableSource(): MemorySource {
  const small = Array.from({ length: 40 }, (_, index) =>
    collectionOf(`small-${index}`, [numberedBatch(500, 64, `s${index}-`)]),
  )
  return sourceOf(
    ...small.slice(0, 20),
    collectionOf('large', [numberedBatch(10_000, 512)]),
    ...small.slice(20),
  )
}
