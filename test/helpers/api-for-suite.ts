import { afterAll, beforeAll } from '@jest/globals'

import { ChromaApi, type CollectionSpec } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { fromPlain } from '../../src/core/json.js'
import type { CollectionDefinition } from '../../src/core/records.js'
import type { TestChroma } from './chroma-server.js'
import { startFaultProxy, type Fault, type FaultProxy, type ProxiedRequest } from './fault-proxy.js'

export const home = { tenant: 'default_tenant', database: 'default_database' } as const

/** The API of a suite's server, inside tests and hooks; the connection ends after the last test. */
export function apiForSuite(chroma: () => TestChroma): () => ChromaApi {
  let api: ChromaApi | undefined
  beforeAll(async () => {
    api = new ChromaApi(await connectTransport({ url: chroma().url }))
  })
  afterAll(async () => {
    await api?.transport.close()
  })
  return () => {
    if (api === undefined) throw new Error('the API is there only inside tests and hooks')
    return api
  }
}

let names = 0

/** An empty collection, in the default database and under a name of its own unless the spec says otherwise. */
export async function newCollection(
  api: ChromaApi,
  spec: Partial<Omit<CollectionSpec, 'configuration'>> & { readonly hnsw?: object } = {},
): Promise<CollectionDefinition> {
  const { hnsw, ...rest } = spec
  return api.createCollection({
    ...home,
    name: `collection-${++names}`,
    metadata: null,
    schema: null,
    configuration: hnsw === undefined ? null : fromPlain({ hnsw }),
    ...rest,
  })
}

/** An API behind a proxy, which `decide` may use to spoil answers or to do something before a request. */
export async function apiThroughProxy(
  target: string,
  decide: (request: ProxiedRequest) => Fault | undefined | Promise<Fault | undefined>,
): Promise<{ readonly api: ChromaApi; readonly proxy: FaultProxy; close(): Promise<void> }> {
  const proxy = await startFaultProxy({ target, decide })
  const api = new ChromaApi(await connectTransport({ url: proxy.url, retry: { baseDelayMs: 1 } }))
  return {
    api,
    proxy,
    async close() {
      await api.transport.close()
      await proxy.close()
    },
  }
}
