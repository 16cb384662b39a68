import { DiskEmbeddingCache } from '../../../src/migrations/operations/embedding-cache-disk.js'

// Keeps vectors without end, and says how many: whoever started this kills it.
const [directory = '', label = ''] = process.argv.slice(2)
const cache = new DiskEmbeddingCache({ directory })
for (let at = 0; ; at++) {
  await cache.put('model', [`${label}-${at}`], [Float32Array.of(at, at + 0.5, -at)])
  process.stdout.write(`${at}\n`)
}
