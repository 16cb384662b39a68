import type { ChromaApi } from '../../src/chroma/api.js'
import { createLike } from '../../src/chroma/create-like.js'
import { ServerCollectionWriter } from '../../src/chroma/server-sink.js'
import { definitionOf, type Seed } from './record-source-conformance.js'

/** Puts seeds on a server, with their tenants and databases. */
export async function seedServer(api: ChromaApi, seeds: readonly Seed[]): Promise<void> {
  for (const seed of seeds) {
    await api.createTenant(seed.tenant)
    await api.createDatabase(seed.tenant, seed.database)
    const { collection } = await createLike(api, definitionOf(seed), { address: seed, marker: null })
    await new ServerCollectionWriter(api, collection).write(seed.records)
  }
}
